"""A rule about programs and people outside of the cluster that API servers believe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pulumi_policy import EnforcementLevel, Severity

from policies.item import Item
from policies.patterns import matches
from policies.rule import About, Rule, Setting, Settings, resource_rule

_RELEASE = "hardway:node:NodeRelease"
_API_SERVER = "kube-apiserver.service"
_OWN_CLIENT = "front-proxy-client"
_NAMES = "requestheader-allowed-names"
_FLAGS = {
    "token-auth-file": (
        "access.tokens",
        "whoever reads the file or the state has tokens that do not end. Use access.oidc where that is possible",
    ),
    "authentication-token-webhook-config-file": (
        "access.tokenWebhook",
        "the service can make every user, also one with all rights, of the holder of a token",
    ),
    "authorization-config": (
        "access.authorizationWebhook",
        "the service may allow people what no role allows, and no preview shows it",
    ),
}
"""The key of the page, and what it means, by the flag of an API server."""


def trust(item: Item, settings: Settings) -> Iterator[str]:
    """Finds API servers that believe somebody outside of the cluster who somebody is, or what somebody may do."""
    units = item.props.get("flags")
    flags = units.get(_API_SERVER) if isinstance(units, Mapping) else None
    for flag, value in flags.items() if isinstance(flags, Mapping) else ():
        key, why = _FLAGS.get(flag, ("", ""))
        if flag == _NAMES and (names := [name for name in str(value).split(",") if name != _OWN_CLIENT]):
            key, why = (
                "access.proxy",
                f"whoever has the key of {', '.join(names)} can be every user, also with all rights",
            )
        if key and not matches(key, settings["keys"]):
            yield f"{item.name}: {key}: {why}."


RULES: list[Rule] = [
    resource_rule(
        About(
            "outside-trust",
            "A plan shows whom API servers believe, besides certificates and issuers.",
            {"keys": Setting([], "Keys of the page that need no word, such as access.proxy.")},
            Severity.MEDIUM,
            EnforcementLevel.ADVISORY,
        ),
        [_RELEASE],
        trust,
    ),
]
