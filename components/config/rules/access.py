"""Rules about `access.oidc`: what API servers would refuse in the configuration of issuers, and who could be whom.

API servers check their configuration when they start: `ValidateAuthenticationConfiguration` in
k8s.io/apiserver/pkg/apis/apiserver/validation, versions 0.36.4 and 0.37.1. These rules find the same mistakes on the
page, except for the syntax and types of CEL. Rules about prefixes are hardway's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from components.config.errors import Finding
from components.config.oidc import Issuer, NameMapping
from components.config.page import Page
from components.config.rules.certificates import authority_findings
from components.config.rules.common import repeated

# What an API server counts: claims.email and claims.?email, but not claims['email'] and no text in a comment.
_EMAIL, _EMAIL_VERIFIED = (
    re.compile(rf"(?<![\w.])claims\s*\.\s*(?:\?\s*)?{claim}\b") for claim in ("email", "email_verified")
)
_COMMENT = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|//[^\n]*""")
_EITHER = "either claim or expression"


def issuers(page: Page) -> Iterator[Finding]:
    """Each issuer in `access.oidc` has a URL of its own, which is not that of the cluster's service accounts."""
    own = f"https://kubernetes.default.svc.{page.cluster.domain}"
    for index, first, url in repeated(issuer.url.rstrip("/") for issuer in page.access.oidc):
        yield Finding(f"access.oidc[{index}].url", f"{url!r} is also the URL of access.oidc[{first}]", "each URL once")
    for index, issuer in enumerate(page.access.oidc):
        if issuer.url.rstrip("/") == own:
            problem = f"{issuer.url!r} is the issuer of the cluster's own service accounts"
            yield Finding(f"access.oidc[{index}].url", problem, "the URL of another issuer")


def issuer_settings(page: Page) -> Iterator[Finding]:
    """Audiences, authorities, claims and rules of an issuer are such that an API server starts with them."""
    for index, issuer in enumerate(page.access.oidc):
        path = f"access.oidc[{index}]"
        yield from _audiences(path, issuer)
        if issuer.certificate_authority is not None:
            yield from authority_findings(f"{path}.certificateAuthority", issuer.certificate_authority)
        yield from _mapping(f"{path}.claimMappings.username", issuer.claim_mappings.username)
        if issuer.claim_mappings.groups:
            yield from _mapping(f"{path}.claimMappings.groups", issuer.claim_mappings.groups)
        yield from _claim_rules(path, issuer)
        expressions = [rule.expression for rule in issuer.user_validation_rules]
        yield from _once(f"{path}.userValidationRules", "expression", expressions)
        yield from _email(path, issuer)


def issuer_names(page: Page) -> Iterator[Finding]:
    """No issuer can give a name of a user or group that another issuer can give: no prefix begins with another one."""
    for what in ("username", "groups"):
        found: list[tuple[int, str]] = []
        for index, issuer in enumerate(page.access.oidc):
            mapping: NameMapping | None = getattr(issuer.claim_mappings, what)
            if mapping is None:
                continue
            for before, prefix in found:
                if mapping.prefix.startswith(prefix) or prefix.startswith(mapping.prefix):
                    yield Finding(
                        f"access.oidc[{index}].claimMappings.{what}.prefix",
                        f"{mapping.prefix!r} and the prefix {prefix!r} of access.oidc[{before}] can begin the same "
                        "name, so one issuer could give names of the other",
                        "prefixes of which none begins with another one, such as 'staff:' and 'partner:'",
                    )
            found.append((index, mapping.prefix))


def _audiences(path: str, issuer: Issuer) -> Iterator[Finding]:
    yield from _once(f"{path}.audiences", "", issuer.audiences)
    if len(issuer.audiences) > 1 and issuer.audience_match_policy is None:
        problem = f"is missing, and there are {len(issuer.audiences)} audiences"
        yield Finding(f"{path}.audienceMatchPolicy", problem, "MatchAny: a token needs one of the audiences")


def _mapping(path: str, mapping: NameMapping) -> Iterator[Finding]:
    if mapping.claim is None and mapping.expression is None:
        yield Finding(path, "has neither claim nor expression", _EITHER)
    elif mapping.claim is not None and mapping.expression is not None:
        yield Finding(path, f"has the claim {mapping.claim!r} and an expression", _EITHER)


def _claim_rules(path: str, issuer: Issuer) -> Iterator[Finding]:
    path = f"{path}.claimValidationRules"
    rules = issuer.claim_validation_rules
    for index, rule in enumerate(rules):
        at = f"{path}[{index}]"
        if rule.claim is None and rule.expression is None:
            yield Finding(at, "has neither claim nor expression", _EITHER)
        elif rule.claim is not None and rule.expression is not None:
            yield Finding(at, f"has the claim {rule.claim!r} and an expression", _EITHER)
        elif rule.claim is not None and rule.required_value is None:
            yield Finding(f"{at}.requiredValue", "is missing", f"the value that the claim {rule.claim!r} has to have")
        elif rule.claim is not None and rule.message is not None:
            yield Finding(f"{at}.message", "belongs to an expression, and the rule has a claim", "no message")
        elif rule.expression is not None and rule.required_value is not None:
            yield Finding(f"{at}.requiredValue", "belongs to a claim, and the rule has an expression", "no value")
    yield from _once(path, "claim", [rule.claim for rule in rules])
    yield from _once(path, "expression", [rule.expression for rule in rules])


def _email(path: str, issuer: Issuer) -> Iterator[Finding]:
    """API servers want an expression with `claims.email` to say what `email_verified` has to be."""
    username = _code(issuer.claim_mappings.username.expression)
    others = [_code(rule.expression) for rule in issuer.claim_validation_rules]
    if _EMAIL.search(username) and not any(_EMAIL_VERIFIED.search(code) for code in (username, *others)):
        yield Finding(
            f"{path}.claimMappings.username.expression",
            "uses claims.email, and no expression uses claims.email_verified",
            "the claim email, or a claimValidationRule such as 'claims.?email_verified.orValue(true) == true'",
        )


def _code(expression: str | None) -> str:
    """An expression without its comments, and with empty strings."""
    return _COMMENT.sub(lambda found: "''" if found[1] else "", expression or "")


def _once(path: str, key: str, values: list[str | None] | list[str] | tuple[str, ...]) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, value in enumerate(values):
        if value is not None and seen.setdefault(value, index) != index:
            at = f"{path}[{index}]" + (f".{key}" if key else "")
            yield Finding(at, f"{value!r} is also {path.rpartition('.')[2]}[{seen[value]}]", "each value once")
