"""A rule about the number of members of etcd."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pulumi_policy import EnforcementLevel

from policies.item import Item
from policies.nodes import nodes
from policies.rule import About, Rule, Setting, Settings, stack_rule


def members(items: Sequence[Item], settings: Settings) -> Iterator[tuple[None, str]]:
    """Finds clusters that lose their data or stop working if one machine fails."""
    found = sorted(node.name for node in nodes(items).values() if "etcd" in node.roles)
    least = int(settings["least"])
    if not found:
        return
    listed = f"{len(found)} etcd member{'s' if len(found) > 1 else ''} ({', '.join(found)})"
    if len(found) < least:
        yield None, f"{listed}; allowed: at least {least}. Give more nodes the role etcd (hardway:nodes)."
    elif len(found) % 2 == 0:
        yield (
            None,
            f"{listed}: {len(found)} members tolerate no more failures than {len(found) - 1}, and need a larger "
            "quorum. Use an odd number (hardway:nodes).",
        )


RULES: list[Rule] = [
    stack_rule(
        About(
            "etcd-members",
            "etcd tolerates the loss of one machine.",
            {"least": Setting(3, "Smallest number of members.")},
            level=EnforcementLevel.ADVISORY,
        ),
        members,
    )
]
