"""Rules about private keys: strength, algorithm, no shared keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from pulumi_policy import Severity

from policies.certificates.model import KEY, certificates
from policies.item import UNKNOWN, Item
from policies.rule import About, Rule, Setting, Settings, resource_rule, stack_rule

_ALGORITHMS = ["ECDSA", "RSA"]


def strength(item: Item, settings: Settings) -> Iterator[str]:
    """Finds RSA keys that are too short and curves that are not allowed. ED25519 keys have only one strength."""
    # The defaults of the Pulumi provider: https://www.pulumi.com/registry/packages/tls/api-docs/privatekey/
    bits, curve = item.props.get("rsaBits", 2048), item.props.get("ecdsaCurve", "P224")
    algorithm, least = item.text("algorithm"), settings["rsaBits"]
    if algorithm == "RSA" and bits is not UNKNOWN and bits < least:
        yield f"{item.name}: the RSA key has {bits:g} bits; allowed: at least {least:g}. Raise rsaBits."
    if algorithm == "ECDSA" and curve is not UNKNOWN and curve not in settings["curves"]:
        allowed = ", ".join(settings["curves"])
        yield f"{item.name}: the curve of the ECDSA key is {curve}; allowed: {allowed}. Set ecdsaCurve."


def use(items: Sequence[Item], settings: Settings) -> Iterator[tuple[str, str]]:
    """Finds certificates whose key has a wrong algorithm, and keys that several certificates share."""
    keys = {item.urn: item for item in items if item.type == KEY}
    holders = defaultdict(list)
    for certificate in certificates(items):
        behind = [keys[urn].text("algorithm") for urn in certificate.keys if urn in keys] or [certificate.algorithm]
        for algorithm in behind:
            if algorithm and algorithm not in settings["algorithms"]:
                yield (
                    certificate.urn,
                    f"{certificate.name}: the algorithm of its key is {algorithm}; allowed: "
                    f"{', '.join(settings['algorithms'])}. Change the algorithm of the key.",
                )
        for urn in certificate.keys:
            holders[urn].append(certificate)
    for urn, sharing in holders.items():
        # Another authority may sign the key of an authority once more: RFC 4158, section 1.5.1.
        if len(sharing) > 1 and any(certificate.kind != "authority" for certificate in sharing):
            names = sorted(certificate.name for certificate in sharing)
            yield (
                urn,
                f"{urn.rpartition('::')[2]}: {len(names)} certificates share this private key ({', '.join(names)}), so "
                "it cannot be replaced for one of them alone. Make one key for each certificate.",
            )


RULES: list[Rule] = [
    resource_rule(
        About(
            "key-strength",
            "Private keys are strong enough.",
            {
                "rsaBits": Setting(2048, "Smallest size of RSA keys, in bits."),
                "curves": Setting(["P256", "P384", "P521"], "Allowed curves of ECDSA keys."),
            },
            Severity.CRITICAL,
        ),
        [KEY],
        strength,
    ),
    stack_rule(
        About(
            "certificate-key",
            "Every certificate has its own key, with an algorithm that all components of the cluster support.",
            {"algorithms": Setting(_ALGORITHMS, "Allowed algorithms of the keys of certificates.")},
        ),
        use,
    ),
]
