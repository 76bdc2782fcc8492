"""Ways of logging in besides certificates and OpenID Connect: an authenticating proxy, static tokens, and a webhook.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/ has the names and what each does.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from components.config.durations import span_rule
from components.config.names import label_rule
from components.config.oidc import PREFIX_RULE, RESERVED
from components.config.section import Rule, Section, listing
from components.config.webhook import Webhook

LEAST_BITS = 128
"""The least length of a token, in bits of what its characters can hold."""
_LEAST_DIFFERENT = 10
"""A random token of 128 bits has fewer different characters in one of about ten thousand cases."""
_LONGEST_TOKEN = 512
# A name is a field of a file with commas, of a header and of a line in the audit log.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:/+-]*")
# b64token of RFC 6750, section 2.1.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_HEX = re.compile(r"[0-9a-f]+|[0-9A-F]+")
# token of RFC 9110, section 5.6.2, without what no proxy sends.
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_OTHER_MEANING = (
    *("authorization", "proxy-authorization", "host", "connection", "cookie", "user-agent", "accept", "content-type"),
    *("content-length", "transfer-encoding", "upgrade", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"),
    # An API server takes the headers of proxies off each request, so without these no `kubectl exec` works for anybody.
    *("origin", "sec-websocket-extensions", "sec-websocket-key", "sec-websocket-protocol", "sec-websocket-version"),
    *("x-stream-protocol-version", "accept-encoding", "content-encoding"),
)
HEADER_ALLOWED = "at most 64 letters, digits and '-', such as X-Forwarded-User"


def _name_problem(value: str) -> str | None:
    reserved = next((name for name in RESERVED if value.lower().startswith(name)), None)
    if reserved:
        return f"begins with {reserved!r}, as names of the cluster itself"
    return None if len(value) <= 100 and _NAME.fullmatch(value) else "is not a name of a user or group"


def token_bits(token: str) -> int:
    """How many bits the characters of a token can hold: four for each hexadecimal digit, six for all others."""
    return len(token) * 4 if _HEX.fullmatch(token) else len(token.rstrip("=")) * 6


def _token_problem(value: str) -> str | None:
    if not _TOKEN.fullmatch(value) or len(value) > _LONGEST_TOKEN:
        return "is not a token"
    if (bits := token_bits(value)) < LEAST_BITS:
        return f"holds at most {bits} bits"
    if len({*value}) < _LEAST_DIFFERENT:
        return f"has few different characters ({len({*value})}), so it is not random"
    return None


def _beginning_problem(value: str) -> str | None:
    if problem := _header_problem(value):
        return problem
    if not value.endswith("-"):
        return "does not end with '-'"
    covered = next((name for name in ("x-remote-user", *_OTHER_MEANING) if name.startswith(value.lower())), None)
    return f"is also the beginning of {covered}" if covered else None


def _header_problem(value: str) -> str | None:
    name = value.lower()
    if name in _OTHER_MEANING or name.startswith(("impersonate-", "audit-")):
        return "has another meaning for an API server"
    if name.startswith("x-remote-"):
        return "is one of the headers X-Remote-*, which API servers accept anyway"
    return None if len(value) <= 64 and _HEADER.fullmatch(value) else "is not the name of a header"


_NAME_RULE = Rule(
    "name of a user or group",
    "at most 100 characters: letters, digits and . _ @ : / + -, beginning with a letter or digit; not "
    f"{' or '.join(RESERVED)}",
    _name_problem,
)
_TOKEN_RULE = Rule(
    "token",
    f"a random token of at least {LEAST_BITS} bits, such as `openssl rand -hex 32` prints: at most {_LONGEST_TOKEN} "
    "letters, digits and . _ ~ + / -, with = at the end",
    _token_problem,
    private=True,
)
_HEADER_RULE = Rule("header", HEADER_ALLOWED, _header_problem)
_BEGINNING_RULE = Rule(
    "header", "at most 64 letters, digits and '-', with '-' at the end, such as X-Auth-Fact-", _beginning_problem
)
_PROXY_NAME = label_rule("proxy name", 40)


class StaticToken(Section):
    """A user with a token that stays valid until it leaves the page."""

    name: Annotated[str, _NAME_RULE]
    """The name of the user. Each name once, and not that of a developer."""
    groups: tuple[Annotated[str, _NAME_RULE], ...] = ()
    """The groups of the user."""
    token: Annotated[str, _TOKEN_RULE]
    """The token, as a secret: `openssl rand -hex 32 | tr -d '\\n' | pulumi config set --secret --path
    'hardway:access.tokens[0].token'`. API servers read it in plain text, because Kubernetes knows no digest of it."""


class AuthenticatingProxy(Section):
    """Servers in front of the API that log people in, and tell the API servers in headers who asks."""

    names: Annotated[tuple[Annotated[str, _PROXY_NAME], ...], listing("at least one proxy", least=1)]
    """The proxies. Each gets a certificate, which the output `proxyCredentials` has. Whoever has its key can be every
    user."""
    prefix: Annotated[str, PREFIX_RULE]
    """The beginning of the names of all users and groups from the proxies. The proxies put it there: API servers do
    not check it."""
    username_headers: tuple[Annotated[str, _HEADER_RULE], ...] = ()
    """Headers with the name of the user, besides `X-Remote-User`. The first that is not empty counts."""
    group_headers: tuple[Annotated[str, _HEADER_RULE], ...] = ()
    """Headers with a group each, besides `X-Remote-Group`. All of them count."""
    extra_header_prefixes: tuple[Annotated[str, _BEGINNING_RULE], ...] = ()
    """Beginnings of headers with further facts about the user, besides `X-Remote-Extra-`."""


class TokenWebhook(Webhook):
    """A service that says who the holder of a token is. API servers ask it for each token that they do not know."""

    prefix: Annotated[str, PREFIX_RULE]
    """The beginning of the names of all users and groups from the service. The service puts it there: API servers do
    not check it."""
    cache_ttl: Annotated[timedelta, span_rule("1s", "2m or 30s", "s, m or h")] = timedelta(minutes=2)
    """How long API servers keep an answer. A token stays valid for up to 10 s more after the service has refused it,
    because API servers keep what they know of every token for 10 s."""
