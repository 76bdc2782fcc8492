"""Certificates: how long they live, what is left of that, what they may do, and which keys they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulumi_policy import Policy


def rules() -> list[Policy]:
    """The rules of this family."""
    # `make policy-check` reads certificates without the policy SDK; only who asks for rules needs that.
    from policies.certificates import keys, lifetimes, remaining, uses

    return [*remaining.RULES, *lifetimes.RULES, *uses.RULES, *keys.RULES]
