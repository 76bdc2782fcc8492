"""Rules about ways of logging in besides OpenID Connect, and about services that API servers ask.

Each name of a user or group comes from one place only, so that nobody gives a name of another place.
"""

from __future__ import annotations

from collections.abc import Iterator

from components.config.errors import Finding
from components.config.flags import MANAGED_FLAGS
from components.config.page import Page
from components.config.rules.certificates import authority_findings
from components.config.rules.common import repeated
from components.config.rules.settings import ADMIN_NAME, COMPONENTS


def prefixes(page: Page) -> Iterator[Finding]:
    """No name of a proxy or of the service for tokens can come from an issuer, or from each other."""
    found: dict[tuple[str, str], Finding] = {}
    for kind in ("username", "groups"):
        given = page.access.prefixes(kind)
        for path in ("access.proxy.prefix", "access.tokenWebhook.prefix"):
            prefix = given.pop(path, "")
            for other, taken in given.items() if prefix else ():
                if prefix.startswith(taken) or taken.startswith(prefix):
                    problem = f"{prefix!r} and the prefix {taken!r} of {other} can begin the same name"
                    allowed = "prefixes of which none begins with another one, such as 'sso:' and 'staff:'"
                    found.setdefault((path, other.partition(".claimMappings")[0]), Finding(path, problem, allowed))
    yield from found.values()


def proxies(page: Page) -> Iterator[Finding]:
    """Each proxy and each header in `access.proxy` comes once."""
    proxy = page.access.proxy
    if proxy is None:
        return
    for index, first, name in repeated(proxy.names):
        yield Finding(f"access.proxy.names[{index}]", f"{name!r} is also access.proxy.names[{first}]", "each name once")
    headers = {
        f"access.proxy.{key}[{index}]": header
        for key, listed in (
            ("usernameHeaders", proxy.username_headers),
            ("groupHeaders", proxy.group_headers),
            ("extraHeaderPrefixes", proxy.extra_header_prefixes),
        )
        for index, header in enumerate(listed)
    }
    seen: dict[str, str] = {}
    for path, header in headers.items():
        first_path = seen.setdefault(header.lower(), path)
        if first_path != path:
            yield Finding(path, f"{header!r} is also {first_path}", "each header once: it has one meaning")
    for path, beginning in headers.items():
        if "extraHeaderPrefixes" not in path:
            continue
        for other, header in headers.items():
            if other != path and header.lower() != beginning.lower() and header.lower().startswith(beginning.lower()):
                problem = f"{beginning!r} is the beginning of {header!r} in {other}, which would be a fact as well"
                yield Finding(path, problem, "a beginning that no other header has")


def tokens(page: Page) -> Iterator[Finding]:
    """Each user and each token in `access.tokens` comes once. No name is one that another place gives."""
    listed = page.access.tokens
    for index, first, name in repeated(one.name for one in listed):
        problem = f"{name!r} is also the name of access.tokens[{first}]"
        yield Finding(f"access.tokens[{index}].name", problem, "each user once")
    for index, first, _ in repeated(one.token for one in listed):
        problem = f"the value is also the token of access.tokens[{first}]"
        yield Finding(f"access.tokens[{index}].token", problem, "a token of its own for each user")
    developers = {one.name: f"access.developers[{index}]" for index, one in enumerate(page.access.developers)}
    for index, one in enumerate(listed):
        path = f"access.tokens[{index}]"
        if one.name == ADMIN_NAME or one.name in COMPONENTS:
            yield Finding(f"{path}.name", f"{one.name!r} is a user of the cluster itself", "any other name")
        elif one.name in developers:
            yield Finding(f"{path}.name", f"{one.name!r} is also the name of {developers[one.name]}", "any other name")
        yield from _taken(f"{path}.name", one.name, page.access.prefixes("username"))
        for number, group in enumerate(one.groups):
            yield from _taken(f"{path}.groups[{number}]", group, page.access.prefixes("groups"))
        for number, first, group in repeated(one.groups):
            yield Finding(f"{path}.groups[{number}]", f"{group!r} is also groups[{first}]", "each group once")


def _taken(path: str, name: str, given: dict[str, str]) -> Iterator[Finding]:
    for other, prefix in given.items():
        if name.startswith(prefix):
            yield Finding(path, f"{name!r} begins with the prefix {prefix!r} of {other}", "a name without this prefix")


def services(page: Page) -> Iterator[Finding]:
    """The authorities of a service that API servers ask are such that an API server can verify the service."""
    for path, one in page.webhooks.items():
        yield from authority_findings(f"{path}.certificateAuthority", one.certificate_authority)


def flags(page: Page) -> Iterator[Finding]:
    """`extraArgs` has no flag of a webhook that `access` has: API servers have one webhook of a kind."""
    given = {
        "authentication-token-webhook-": ("access.tokenWebhook", page.access.token_webhook),
        # An API server refuses these flags together with a file for authorization.
        "authorization-webhook-": ("access.authorizationWebhook", page.access.authorization_webhook),
    }
    for beginning, (key, webhook) in given.items():
        for name in page.extra_args.kube_apiserver if webhook else ():
            # Another rule refuses the flags that hardway always sets itself.
            if name.startswith(beginning) and name not in MANAGED_FLAGS["kube-apiserver"]:
                problem = f"is given, and {key} sets it"
                yield Finding(f"extraArgs.kube-apiserver.{name}", problem, f"no such flag, or no {key}")


def conditions(page: Page) -> Iterator[Finding]:
    """Each expression in `access.authorizationWebhook.matchConditions` comes once; API servers refuse a second one."""
    webhook = page.access.authorization_webhook
    for index, first, _ in repeated(webhook.match_conditions if webhook else ()):
        path = "access.authorizationWebhook.matchConditions"
        yield Finding(f"{path}[{index}]", f"is also matchConditions[{first}]", "each expression once")
