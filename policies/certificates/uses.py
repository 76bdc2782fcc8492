"""Rules about the uses of certificates."""

from __future__ import annotations

from collections.abc import Iterator

from pulumi_policy import Severity

from policies.certificates.model import SELF_SIGNED, TYPES, is_authority
from policies.item import Item
from policies.patterns import matches
from policies.rule import About, Rule, Setting, Settings, resource_rule

_SIGNS = {"cert_signing", "crl_signing"}
_BOTH = {"server_auth", "client_auth"}


def authority_rights(item: Item, settings: Settings) -> Iterator[str]:
    """Finds leaves that may sign certificates, and leaves that no authority signs."""
    if matches(item.name, settings["authorities"]):
        return
    rights = sorted(_SIGNS.intersection(item.texts("allowedUses")))
    if item.type == SELF_SIGNED:
        if not is_authority(item):
            yield f"{item.name}: a leaf that signs itself, so no client can verify it. Let an authority sign the leaf."
    elif is_authority(item) or rights:
        why = "isCaCertificate" if is_authority(item) else ", ".join(rights)
        yield (
            f"{item.name}: a leaf with the rights of an authority ({why}); everyone who has its key can sign any "
            "certificate. Remove these rights, or add the name of the leaf to the setting authorities."
        )


def both_ways(item: Item, settings: Settings) -> Iterator[str]:
    """Finds leaves that are valid for servers and for clients and need not be."""
    if _BOTH.issubset(item.texts("allowedUses")) and not matches(item.name, settings["peers"]):
        yield (
            f"{item.name}: valid for servers and for clients (server_auth, client_auth), so with a stolen key of the "
            f"server one can log in as a client; allowed for: {', '.join(settings['peers']) or 'none'}. Make two "
            "certificates instead."
        )


RULES: list[Rule] = [
    resource_rule(
        About(
            "certificate-authority-rights",
            "Only authorities may sign certificates, and only authorities are self-signed.",
            {
                "authorities": Setting(
                    ["kubernetes-ca-*-by-kubernetes-ca-*"],
                    "Names of intermediate authorities: in a rotation, an older generation certifies the one in use.",
                )
            },
            Severity.CRITICAL,
        ),
        TYPES,
        authority_rights,
    ),
    resource_rule(
        About(
            "certificate-both-uses",
            "A certificate is for a server or for a client.",
            {
                "peers": Setting(
                    ["*-etcd-peer"], "Names of leaves that need both uses: members of etcd connect to each other."
                )
            },
        ),
        TYPES,
        both_ways,
    ),
]
