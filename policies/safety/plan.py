"""Rules about plans that replace, move or remove too many nodes at once. They compare the plan with the state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pulumi_policy import Severity

from policies import before
from policies.item import UNKNOWN, Item
from policies.nodes import Node, nodes
from policies.rule import About, Rule, Setting, Settings, stack_rule

_ONE_BY_ONE = "Change one node on the page, run `up`, wait until the cluster is healthy, then change the next node."


def control_plane(items: Sequence[Item], settings: Settings) -> Iterator[tuple[None, str]]:
    """Finds plans that replace, move or remove more than `most` control-plane nodes."""
    if not before.is_plan():
        return
    try:
        old = nodes(before.before())
    except before.NoStateError as error:
        yield None, unreadable(error)
        return
    lost = _lost({n: node for n, node in old.items() if "control-plane" in node.roles}, nodes(items))
    most = int(settings["most"])
    if len(lost) > most:
        yield (
            None,
            f"the plan replaces, moves or removes {len(lost)} control-plane nodes ({_listed(lost)}); allowed: at most "
            f"{most}. {_ONE_BY_ONE}",
        )


def quorum(items: Sequence[Item], _: Settings) -> Iterator[tuple[None, str]]:
    """Finds plans that change or add so many members of etcd that the unchanged members are no quorum."""
    if not before.is_plan():
        return
    try:
        old = {n: node for n, node in nodes(before.before()).items() if "etcd" in node.roles}
    except before.NoStateError as error:
        yield None, unreadable(error)
        return
    new = nodes(items)
    planned = {name for name, node in new.items() if "etcd" in node.roles}
    lost = _lost(old, new, role="etcd")
    joining = planned - old.keys()
    # One new member may always join: so a cluster with one member can grow.
    if not old or (not lost and len(joining) <= 1):
        return
    kept, needed = len(old) - len(lost), max(len(old), len(planned)) // 2 + 1
    if kept < needed:
        joins = f"; {len(joining)} join ({', '.join(sorted(joining))})" if joining else ""
        listed = f" ({_listed(lost)})" if lost else ""
        yield (
            None,
            f"the plan leaves {kept} of {len(old)} etcd members unchanged, and a quorum needs {needed}: "
            f"{len(lost)} lost{listed}{joins}. {_ONE_BY_ONE}",
        )


def _lost(old: Mapping[str, Node], new: Mapping[str, Node], role: str | None = None) -> dict[str, str]:
    """The old nodes that the plan changes: what happens to each node, by name."""
    found = {name: _change(node, new.get(name), role) for name, node in old.items()}
    return {name: change for name, change in found.items() if change}


def _change(old: Node, new: Node | None, role: str | None) -> str | None:
    if new is None:
        return "removed"
    if role and role not in new.roles:
        return f"loses the role {role}"
    if old.address and new.address and old.address != new.address:
        return f"moves from {old.address} to {new.address}"
    if old.machine and new.machine is None:
        return "loses its machine"
    if old.machine and new.machine and is_replaced(old.machine, new.machine):
        return "its machine is replaced"
    return None


def is_replaced(old: Item, new: Item) -> bool:
    """Whether the plan replaces a resource, as far as the properties show it: the engine does not send this.

    If a bridged provider keeps a resource, then its id is known. A command has no such property: it is replaced if a
    trigger changed, or if the command runs although no input changed (`--replace`, or a resource that it depends on is
    replaced).
    """
    if "id" in new.props:
        return new.props["id"] is UNKNOWN
    if new.props.get("stdout") is not UNKNOWN:
        return False
    return _differ(old, new, "triggers") or not any(_differ(old, new, name) for name in _inputs(old, new))


def _inputs(old: Item, new: Item) -> set[str]:
    return (old.props.keys() | new.props.keys()) - {"stdout", "stderr", "assets", "archive"}


def _differ(old: Item, new: Item, name: str) -> bool:
    return _differs(old.props.get(name), new.props.get(name))


def _differs(old: Any, new: Any) -> bool:
    """Whether a value changes. An old secret cannot be compared and counts as equal; an unknown new value changes."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return any(_differs(old.get(key), new.get(key)) for key in old.keys() | new.keys())
    if new is UNKNOWN:
        return True
    return old is not UNKNOWN and old != new


def _listed(lost: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {change}" for name, change in sorted(lost.items()))


def unreadable(error: before.NoStateError) -> str:
    """The message of a rule that has to compare the plan with the state, and cannot."""
    return (
        f"the present state cannot be read ({error}), so the plan cannot be compared with it. Set {before.FILE} to the "
        "path of a `pulumi stack export`, or disable this rule."
    )


RULES: list[Rule] = [
    stack_rule(
        About(
            "control-plane-replacement",
            "A plan changes one control-plane node at a time.",
            {"most": Setting(1, "Control-plane nodes that one plan may replace, move or remove.")},
            Severity.CRITICAL,
        ),
        control_plane,
    ),
    stack_rule(
        About(
            "etcd-quorum", "A plan does not change so many etcd members that the quorum is lost.", {}, Severity.CRITICAL
        ),
        quorum,
    ),
]
