"""Rules about safety: changes that would expose the cluster, lose data, or lose the quorum of etcd."""

from __future__ import annotations

from policies.rule import Rule
from policies.safety import artifacts, commands, members, plan, protection, rights, rotation, trust


def rules() -> list[Rule]:
    """The rules of this family."""
    return [
        *commands.RULES,
        *artifacts.RULES,
        *members.RULES,
        *protection.RULES,
        *rights.RULES,
        *plan.RULES,
        *rotation.RULES,
        *trust.RULES,
    ]
