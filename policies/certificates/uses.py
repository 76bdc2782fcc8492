"""What certificates may be used for."""

from __future__ import annotations

from collections.abc import Iterator

from pulumi_policy import Policy, Severity

from policies.certificates.model import SELF_SIGNED, TYPES, is_authority
from policies.item import Item
from policies.patterns import matches
from policies.rule import About, Setting, Settings, resource_rule

_SIGNS = {"cert_signing", "crl_signing"}
_BOTH = {"server_auth", "client_auth"}


def authority_rights(item: Item, settings: Settings) -> Iterator[str]:
    """A leaf that could sign others, or one that nobody vouches for."""
    if matches(item.name, settings["authorities"]):
        return
    rights = sorted(_SIGNS.intersection(item.texts("allowedUses")))
    if item.type == SELF_SIGNED:
        if not is_authority(item):
            yield f"{item.name}: a leaf that signs itself, so nobody can check it. Let an authority sign it."
    elif is_authority(item) or rights:
        why = "isCaCertificate" if is_authority(item) else ", ".join(rights)
        yield (
            f"{item.name}: a leaf with the rights of an authority ({why}); whoever has its key could sign any "
            "certificate. Take them away, or name it in the setting authorities."
        )


def both_ways(item: Item, settings: Settings) -> Iterator[str]:
    """A leaf that is good for servers and clients without need."""
    if _BOTH.issubset(item.texts("allowedUses")) and not matches(item.name, settings["peers"]):
        yield (
            f"{item.name}: good for a server and for a client (server_auth, client_auth), so a stolen server key logs "
            f"in as well. Allowed for {', '.join(settings['peers']) or 'none'}: make two certificates of it."
        )


RULES: list[Policy] = [
    resource_rule(
        About(
            "certificate-authority-rights",
            "Only authorities may sign, and only authorities sign themselves.",
            {"authorities": Setting([], "Names of intermediate authorities.")},
            Severity.CRITICAL,
        ),
        TYPES,
        authority_rights,
    ),
    resource_rule(
        About(
            "certificate-both-uses",
            "A certificate is for a server or for a client.",
            {"peers": Setting(["*-etcd-peer"], "Names that need both; etcd members call each other.")},
        ),
        TYPES,
        both_ways,
    ),
]
