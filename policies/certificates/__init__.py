"""Rules about certificates: lifetime, time left, allowed uses, keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policies.rule import Rule


def rules() -> list[Rule]:
    """The rules of this family."""
    # Imported here, because `make policy-check` reads certificates without the policy SDK, which only rules need.
    from policies.certificates import keys, lifetimes, remaining, uses

    return [*remaining.RULES, *lifetimes.RULES, *uses.RULES, *keys.RULES]
