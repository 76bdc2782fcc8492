"""The defaults of the rules about time, in hours. The defaults of the page fulfil them."""

from __future__ import annotations

from policies.certificates.model import Kind

REMAINING_RULE = "certificate-remaining-life"
"""Name of the rule about the time that is left. `make policy-check` reads the settings of this rule as well."""

REMAINING: dict[Kind, float] = {"authority": 2160, "machine": 168, "person": 48}
"""Hours that have to be left until the end: 90 days, a week, two days. A deployer has no limit: only the program uses
this certificate, and each `up` renews the certificate first if it is due. So it may end while nobody runs an `up`."""

LONGEST: dict[Kind, float] = {"authority": 87600, "machine": 8760, "person": 720, "deployer": 168}
"""Longest lifetimes in hours: ten years, one year, thirty days, one week."""

SMALLEST_WINDOW: dict[Kind, float] = {"authority": 2880, "machine": 336, "person": 120}
"""Hours before the end at which renewal has to start: 120 days, two weeks, five days. More than REMAINING."""


def setting(kind: Kind) -> str:
    """Name of the setting for a kind of certificate."""
    return f"{kind}Hours"
