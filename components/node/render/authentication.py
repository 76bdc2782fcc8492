"""The file with which API servers decide who asks: anonymous health checks, and issuers of OpenID Connect.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#using-authentication-configuration
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from components.config.oidc import ClaimValidationRule, Issuer, NameMapping, UserValidationRule
from components.node.render.documents import json_document

HEALTH_PATHS = ("/livez", "/readyz", "/healthz")
"""The only paths that allow anonymous requests: load balancers check them."""


def authentication(issuers: Sequence[Issuer]) -> str:
    """The AuthenticationConfiguration of an API server. The flag `anonymous-auth` must not be set beside it."""
    return json_document(
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthenticationConfiguration",
            "anonymous": {"enabled": True, "conditions": [{"path": path} for path in HEALTH_PATHS]},
            **({"jwt": [_authenticator(issuer) for issuer in issuers]} if issuers else {}),
        }
    )


def _authenticator(issuer: Issuer) -> dict[str, Any]:
    mappings = issuer.claim_mappings
    claim_rules = [_rule(rule) for rule in issuer.claim_validation_rules]
    user_rules = [_rule(rule) for rule in issuer.user_validation_rules]
    given = {rule["expression"] for rule in user_rules}
    # An API server refuses an expression that it has already.
    user_rules += [rule for rule in _prefixed(mappings.username, mappings.groups) if rule["expression"] not in given]
    return {
        "issuer": {
            "url": issuer.url,
            "audiences": list(issuer.audiences),
            **({"audienceMatchPolicy": issuer.audience_match_policy} if issuer.audience_match_policy else {}),
            **({"certificateAuthority": issuer.authorities} if issuer.authorities else {}),
        },
        "claimMappings": {
            "username": _mapping(mappings.username),
            **({"groups": _mapping(mappings.groups)} if mappings.groups else {}),
        },
        **({"claimValidationRules": claim_rules} if claim_rules else {}),
        **({"userValidationRules": user_rules} if user_rules else {}),
    }


def _mapping(mapping: NameMapping) -> dict[str, str]:
    if mapping.expression is not None:
        return {"expression": mapping.expression}
    return {"claim": mapping.claim or "", "prefix": mapping.prefix}


def _prefixed(username: NameMapping, groups: NameMapping | None) -> Iterator[dict[str, str]]:
    """Rules that refuse a token whose expression gives a name without the prefix of the issuer.

    A prefix has no character that would end a string of CEL.
    """
    if username.expression is not None:
        yield {
            "expression": f"user.username.startsWith('{username.prefix}')",
            "message": f"the name of the user does not begin with {username.prefix}",
        }
    if groups is not None and groups.expression is not None:
        yield {
            "expression": f"user.groups.all(group, group.startsWith('{groups.prefix}'))",
            "message": f"the name of a group does not begin with {groups.prefix}",
        }


def _rule(rule: ClaimValidationRule | UserValidationRule) -> dict[str, str]:
    return rule.model_dump(by_alias=True, exclude_none=True)
