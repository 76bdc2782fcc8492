"""`hardway:access.oidc`: issuers of OpenID Connect whose tokens API servers accept.

The names are those of AuthenticationConfiguration (apiserver.config.k8s.io/v1), so its documentation fits:
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#using-authentication-configuration.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from components.config.names import certificates_rule, https_problem
from components.config.pki import text_rule
from components.config.section import Choice, Rule, Section, listing
from components.x509 import certificates_alone

MOST_ISSUERS = 64
"""The limit of `ValidateAuthenticationConfiguration` in k8s.io/apiserver/pkg/apis/apiserver/validation."""
RESERVED = ("system:", "hardway:")
"""The beginnings of names of users and groups that Kubernetes and hardway have rights for."""
_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:#/+-]*[:#/]")
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PREFIX_ALLOWED = (
    "at most 100 characters: letters, digits and . _ @ : # / + -, beginning with a letter or digit, with ':', '#' or "
    f"'/' at the end; not {' or '.join(RESERVED)}"
)


def _prefix_problem(value: str) -> str | None:
    if not value:
        return "is empty, so a token could name a user or group of the cluster itself, such as system:masters"
    reserved = next((name for name in RESERVED if value.startswith(name)), None)
    if reserved:
        return f"begins with {reserved!r}, so a token could name a user or group of the cluster itself"
    return None if len(value) <= 100 and _PREFIX.fullmatch(value) else "is not a prefix of names"


def strict_https_problem(value: str) -> str | None:
    """What is wrong with an https URL for a program in Go. None if nothing is."""
    if problem := https_problem(value):
        return problem
    # API servers read the URL with net/url of Go, which is stricter than Python.
    if re.search(r"[\x00-\x1f\x7f]", value):
        return "has control characters"
    return "has a '%' without two hexadecimal digits after it" if _BARE_PERCENT.search(value) else None


def _expression_problem(value: str) -> str | None:
    if not value.strip():
        return "is empty"
    return None if len(value) <= 4096 else f"has {len(value)} characters"


PREFIX_RULE = Rule("name prefix", _PREFIX_ALLOWED, _prefix_problem)
EXPRESSION_RULE = Rule("expression", "an expression of CEL, at most 4096 characters", _expression_problem)
_URL = Rule("URL", "https://HOST[:PORT][/PATH], without user, query and fragment", strict_https_problem)
_AUTHORITIES = certificates_rule("the server of the issuer", public=False)


class NameMapping(Section):
    """How API servers get a name, or names, from the claims of a token. Either `claim` or `expression`."""

    claim: Annotated[str, text_rule(128)] | None = None
    """The claim with the value. `prefix` is put before the value."""
    expression: Annotated[str, EXPRESSION_RULE] | None = None
    """An expression of CEL over `claims`, such as `'oidc:' + claims.sub`. The result has to begin with `prefix`: API
    servers refuse other tokens."""
    prefix: Annotated[str, PREFIX_RULE]
    """The beginning of every name from this issuer. No certificate and no other issuer gives such names."""


class ClaimMappings(Section):
    """Who the holder of a token is."""

    username: NameMapping
    """The name of the user. `sub` never changes; an e-mail address is easier to read."""
    groups: NameMapping | None = None
    """The groups of the user. Unset: a user of this issuer has no groups, and `access.groups` cannot give rights."""


class ClaimValidationRule(Section):
    """What a token has to claim: `claim` and `requiredValue`, or `expression`."""

    claim: Annotated[str, text_rule(128)] | None = None
    """The name of a claim."""
    required_value: Annotated[str, text_rule(256)] | None = None
    """The value that the claim has to have."""
    expression: Annotated[str, EXPRESSION_RULE] | None = None
    """An expression of CEL over `claims` that has to be true, such as `claims.hd == 'example.com'`."""
    message: Annotated[str, text_rule(256)] | None = None
    """What the log of the API server says if `expression` is false."""


class UserValidationRule(Section):
    """What has to be true for the user that the claims give."""

    expression: Annotated[str, EXPRESSION_RULE]
    """An expression of CEL over `user`, such as `user.groups.exists(group, group == 'oidc:staff')`."""
    message: Annotated[str, text_rule(256)] | None = None
    """What the log of the API server says if `expression` is false."""


class Issuer(Section):
    """An issuer of tokens. API servers connect to the issuer directly, to get its keys."""

    url: Annotated[str, _URL]
    """The issuer, exactly as in the claim `iss` of its tokens, also with or without '/' at the end."""
    audiences: Annotated[tuple[Annotated[str, text_rule(256)], ...], listing("at least one audience", least=1)]
    """The clients for which the issuer made a token: the claim `aud`. The first is the client of the kubeconfig for
    people."""
    audience_match_policy: Annotated[Literal["MatchAny"], Choice()] | None = None
    """Has to be set if there are several audiences: one of them is enough."""
    certificate_authority: Annotated[str, _AUTHORITIES] | None = None
    """The authorities that verify the server of the issuer. Unset: those of the operating system of the nodes."""
    claim_mappings: ClaimMappings
    """Who the holder of a token is."""
    claim_validation_rules: tuple[ClaimValidationRule, ...] = ()
    """What a token has to claim."""
    user_validation_rules: tuple[UserValidationRule, ...] = ()
    """What has to be true for the user."""
    scopes: tuple[Annotated[str, text_rule(128)], ...] = ()
    """What the kubeconfig for people asks the issuer for in addition to `openid`, such as `groups`."""

    @property
    def authorities(self) -> str:
        """The certificates of `certificate_authority` alone, in PEM. Empty if it is unset.

        Go reads no block that is indented or on one line, which the rules of the page accept, and an API server that
        finds no certificate does not start.
        """
        return certificates_alone(self.certificate_authority) if self.certificate_authority is not None else ""
