"""Safety: changes that would let somebody in, lose data, or cost the cluster its quorum."""

from __future__ import annotations

from pulumi_policy import Policy

from policies.safety import artifacts, commands, members, plan, protection


def rules() -> list[Policy]:
    """The rules of this family."""
    return [*commands.RULES, *artifacts.RULES, *members.RULES, *protection.RULES, *plan.RULES]
