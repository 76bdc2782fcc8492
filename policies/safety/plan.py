"""Plans that take away too many nodes at once, by comparing what is planned with what there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pulumi_policy import Policy, Severity

from policies import before
from policies.item import UNKNOWN, Item
from policies.nodes import Node, nodes
from policies.rule import About, Setting, Settings, stack_rule

_ONE_BY_ONE = "Split it: change the page for one node, run `up`, wait until the cluster is healthy, then the next."


def control_plane(items: Sequence[Item], settings: Settings) -> Iterator[tuple[None, str]]:
    """More than one control-plane node replaced, moved or removed."""
    if not before.is_plan():
        return
    try:
        old = nodes(before.before())
    except before.NoStateError as error:
        yield None, _unreadable(error)
        return
    lost = _lost({n: node for n, node in old.items() if "control-plane" in node.roles}, nodes(items))
    most = int(settings["most"])
    if len(lost) > most:
        yield None, f"{len(lost)} control-plane nodes at once ({_listed(lost)}); the most is {most}. {_ONE_BY_ONE}"


def quorum(items: Sequence[Item], _: Settings) -> Iterator[tuple[None, str]]:
    """So many members of etcd lost or joining that those which stay are no quorum."""
    if not before.is_plan():
        return
    try:
        old = {n: node for n, node in nodes(before.before()).items() if "etcd" in node.roles}
    except before.NoStateError as error:
        yield None, _unreadable(error)
        return
    new = nodes(items)
    planned = {name for name, node in new.items() if "etcd" in node.roles}
    lost = _lost(old, new, role="etcd")
    joining = planned - old.keys()
    # One member that joins a healthy cluster waits for nothing else; that is how etcd grows.
    if not old or (not lost and len(joining) <= 1):
        return
    kept, needed = len(old) - len(lost), max(len(old), len(planned)) // 2 + 1
    if kept < needed:
        joins = f"; {len(joining)} join ({', '.join(sorted(joining))})" if joining else ""
        listed = f" ({_listed(lost)})" if lost else ""
        yield (
            None,
            f"{kept} of {len(old)} etcd members stay as they are, {needed} are needed for a quorum: "
            f"{len(lost)} lost{listed}{joins}. {_ONE_BY_ONE}",
        )


def _lost(old: Mapping[str, Node], new: Mapping[str, Node], role: str | None = None) -> dict[str, str]:
    """What happens to each of the old nodes that does not stay as it is."""
    found = {name: _change(node, new.get(name), role) for name, node in old.items()}
    return {name: change for name, change in found.items() if change}


def _change(old: Node, new: Node | None, role: str | None) -> str | None:
    if new is None:
        return "removed"
    if role and role not in new.roles:
        return f"is no {role} member any more"
    if old.address and new.address and old.address != new.address:
        return f"moves from {old.address} to {new.address}"
    if old.machine and new.machine is None:
        return "loses its machine"
    if old.machine and new.machine and is_replaced(old.machine, new.machine):
        return "its machine is replaced"
    return None


def is_replaced(old: Item, new: Item) -> bool:
    """Whether the plan makes a resource anew, as far as its properties tell; the engine does not say.

    A bridged provider knows the id of what it keeps. A command has no such property: it is made anew when a trigger
    changed, or when it runs although nothing changed (`--replace`, or what it belongs to is replaced).
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
    """Whether a value changes. What was secret cannot be compared; what is not known yet will change."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return any(_differs(old.get(key), new.get(key)) for key in old.keys() | new.keys())
    if new is UNKNOWN:
        return True
    return old is not UNKNOWN and old != new


def _listed(lost: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {change}" for name, change in sorted(lost.items()))


def _unreadable(error: before.NoStateError) -> str:
    return (
        f"the present state cannot be read ({error}), so nobody can tell what this plan takes away. Set "
        f"{before.FILE} to the path of a `pulumi stack export`, or disable this rule."
    )


RULES: list[Policy] = [
    stack_rule(
        About(
            "control-plane-replacement",
            "Control-plane nodes change one after the other.",
            {"most": Setting(1, "Control-plane nodes that one plan may replace, move or remove.")},
            Severity.CRITICAL,
        ),
        control_plane,
    ),
    stack_rule(About("etcd-quorum", "A plan leaves etcd its quorum.", {}, Severity.CRITICAL), quorum),
]
