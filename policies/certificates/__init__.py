"""Rules about certificates: lifetime, time left, allowed uses, keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulumi_policy import Policy


def rules() -> list[Policy]:
    """The rules of this family."""
    # Imported here, because `make policy-check` reads certificates without the policy SDK, which only rules need.
    from policies.certificates import keys, lifetimes, remaining, uses

    return [*remaining.RULES, *lifetimes.RULES, *uses.RULES, *keys.RULES]
