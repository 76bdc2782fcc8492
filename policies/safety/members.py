"""How many members etcd has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pulumi_policy import EnforcementLevel, Policy

from policies.item import Item
from policies.nodes import nodes
from policies.rule import About, Setting, Settings, stack_rule


def members(items: Sequence[Item], settings: Settings) -> Iterator[tuple[None, str]]:
    """A cluster that loses its data, or stands still, when one machine fails."""
    found = sorted(node.name for node in nodes(items).values() if "etcd" in node.roles)
    least = int(settings["least"])
    if not found:
        return
    listed = f"{len(found)} etcd member{'s' if len(found) > 1 else ''} ({', '.join(found)})"
    if len(found) < least:
        yield None, f"{listed}; the least is {least}. Give more nodes the role etcd (hardway:nodes)."
    elif len(found) % 2 == 0:
        yield (
            None,
            f"{listed}: an even number bears the loss of no more members than one fewer, and needs one more for a "
            "quorum. Use an odd number (hardway:nodes).",
        )


RULES: list[Policy] = [
    stack_rule(
        About(
            "etcd-members",
            "etcd bears the loss of a machine.",
            {"least": Setting(3, "Least number of members.")},
            level=EnforcementLevel.ADVISORY,
        ),
        members,
    )
]
