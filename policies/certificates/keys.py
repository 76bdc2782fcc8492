"""Private keys: strong enough, of a kind that fits, and never shared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from pulumi_policy import Policy, Severity

from policies.certificates.model import KEY, certificates
from policies.item import UNKNOWN, Item
from policies.rule import About, Setting, Settings, resource_rule, stack_rule

_ALGORITHMS = ["ECDSA", "RSA"]


def strength(item: Item, settings: Settings) -> Iterator[str]:
    """An RSA key that is too short, or a curve that is too small. ED25519 has one strength."""
    # The provider's own defaults: https://www.pulumi.com/registry/packages/tls/api-docs/privatekey/
    bits, curve = item.props.get("rsaBits", 2048), item.props.get("ecdsaCurve", "P224")
    algorithm, least = item.text("algorithm"), settings["rsaBits"]
    if algorithm == "RSA" and bits is not UNKNOWN and bits < least:
        yield f"{item.name}: an RSA key of {bits:g} bits; the least is {least:g}. Raise rsaBits."
    if algorithm == "ECDSA" and curve is not UNKNOWN and curve not in settings["curves"]:
        yield f"{item.name}: an ECDSA key on {curve}; allowed: {', '.join(settings['curves'])}. Set ecdsaCurve."


def use(items: Sequence[Item], settings: Settings) -> Iterator[tuple[str, str]]:
    """Keys of the wrong kind for a certificate, and keys behind more than one."""
    keys = {item.urn: item for item in items if item.type == KEY}
    holders = defaultdict(list)
    for certificate in certificates(items):
        behind = [keys[urn].text("algorithm") for urn in certificate.keys if urn in keys] or [certificate.algorithm]
        for algorithm in behind:
            if algorithm and algorithm not in settings["algorithms"]:
                yield (
                    certificate.urn,
                    f"{certificate.name}: its key is {algorithm}; allowed: {', '.join(settings['algorithms'])}. "
                    "Change the algorithm of its key.",
                )
        for urn in certificate.keys:
            holders[urn].append(certificate)
    for urn, sharing in holders.items():
        if len(sharing) > 1:
            names = sorted(certificate.name for certificate in sharing)
            yield (
                urn,
                f"{urn.rpartition('::')[2]}: one private key behind {len(names)} certificates ({', '.join(names)}), so "
                "it cannot be replaced alone. Make a key for each.",
            )


RULES: list[Policy] = [
    resource_rule(
        About(
            "key-strength",
            "Private keys are strong enough.",
            {
                "rsaBits": Setting(2048, "Shortest RSA key in bits."),
                "curves": Setting(["P256", "P384", "P521"], "Curves of ECDSA keys."),
            },
            Severity.CRITICAL,
        ),
        [KEY],
        strength,
    ),
    stack_rule(
        About(
            "certificate-key",
            "Every certificate has a key of its own, of a kind that all parts of a cluster understand.",
            {"algorithms": Setting(_ALGORITHMS, "Algorithms of the keys of certificates.")},
        ),
        use,
    ),
]
