"""All rules of the policy pack, by family."""

from __future__ import annotations

from collections.abc import Mapping

from policies import certificates, exposure, safety
from policies.rule import Rule

FAMILIES: dict[str, list[Rule]] = {
    "certificates": certificates.rules(),
    "exposure": exposure.rules(),
    "safety": safety.rules(),
}


def chosen(environment: Mapping[str, str]) -> list[Rule]:
    """The rules of the families in HARDWAY_POLICY_FAMILIES (names separated by commas); all rules if it is not set.

    Raises ValueError for an unknown family.
    """
    names = [name.strip() for name in environment.get("HARDWAY_POLICY_FAMILIES", ",".join(FAMILIES)).split(",")]
    unknown = [name for name in names if name not in FAMILIES]
    if unknown:
        raise ValueError(f"HARDWAY_POLICY_FAMILIES: no family {unknown[0]!r}; allowed: {', '.join(FAMILIES)}")
    return [rule for name in names for rule in FAMILIES[name]]
