"""The defaults of the rules about time, in hours; the page's own defaults are within them."""

from __future__ import annotations

from policies.certificates.model import Kind

REMAINING_RULE = "certificate-remaining-life"
"""Name of the rule about what is left; `make policy-check` reads its settings as well."""

REMAINING: dict[Kind, float] = {"authority": 2160, "machine": 168, "person": 48}
"""Hours that have to be left: 90 days, a week, two days."""

LONGEST: dict[Kind, float] = {"authority": 87600, "machine": 8760, "person": 720}
"""Longest lifetimes: ten years, one year, thirty days."""

SMALLEST_WINDOW: dict[Kind, float] = {"authority": 2880, "machine": 336, "person": 120}
"""Renewal has to start this long before the end: 120 days, two weeks, five days, always more than REMAINING."""


def setting(kind: Kind) -> str:
    """Name of the setting of that kind."""
    return f"{kind}Hours"
