"""The part of the report about nodes: nodes with the same change are listed together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from tools.report.markdown import Section, code, codes, named
from tools.report.nodes import Difference, NodeChange

_ROLLOUT = (
    "All releases are staged first, on all nodes at once. Then they become active one after the other. The next node "
    "changes only when the previous node is healthy; a node that does not become healthy rolls back to its previous "
    "release."
)
_START = "On a new node all units start at once. The run waits until"


def nodes_section(nodes: tuple[NodeChange, ...]) -> Iterator[Section]:
    """The section about nodes, or none; `nodes` in the order of the rollout."""
    if not nodes:
        return
    groups: dict[tuple[str, ...], list[str]] = {}
    for node in nodes:
        groups.setdefault(tuple(_lines(node)), []).append(node.name)
    blocks = [
        "\n".join([f"**{named(names)}**", *(f"- {line}" for line in lines), ""]) for lines, names in groups.items()
    ]
    yield Section("Nodes", tuple(blocks), text=_order(nodes))


def _order(nodes: tuple[NodeChange, ...]) -> str:
    activated = [node for node in nodes if node.kind not in ("removed", "staged")]
    if not activated:
        return ""
    names = named((node.name for node in activated), " → ")
    if all(node.kind == "new" for node in activated):
        return f"{_START} " + (f"all are healthy, in this order: {names}." if len(activated) > 1 else "it is healthy.")
    return f"{_ROLLOUT}\n\nOrder: {names}."


def _lines(node: NodeChange) -> Iterator[str]:
    match node.kind:
        case "new":
            yield f"is new and starts {_units(node.units)}"
        case "removed":
            yield "is removed from the cluster"
        case "staged":
            yield "gets its current release staged again: nothing restarts"
        case "rebuilt" if not node.units:
            yield "gets its current release on a new machine, where all units start"
        case "rebuilt":
            yield f"gets a changed release on a new machine, where all units start: {_units(node.units)}"
            yield from _content(node)
        case _:
            yield from _disturbance(node)
            yield from _content(node)


def _disturbance(node: NodeChange) -> Iterator[str]:
    if not (node.restarts or node.reloads or node.started or node.stopped):
        yield "restarts and reloads nothing: services read the new files themselves"
    yield from _acted_on("restarts", node, node.restarts)
    yield from _acted_on("reloads", node, node.reloads)
    if node.started:
        yield f"starts {_units(node.started)}"
    if node.stopped:
        yield f"stops {_units(node.stopped)}"


def _acted_on(verb: str, node: NodeChange, units: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Units in the order of their start; neighbours with the same cause are listed together."""
    programs = {program.name for program in node.programs}
    for cause, group in groupby(units, lambda unit: ", ".join(_causes(unit, units[unit], programs))):
        yield f"{verb} {_units(group)} ({cause})"


def _causes(unit: str, names: Iterable[str], programs: Iterable[str]) -> Iterator[str]:
    for name in names:
        if name == f"units/{unit}":
            yield "unit file"
        elif name in programs and name == _short(unit):
            yield "program"
        else:
            yield code(name)


def _content(node: NodeChange) -> Iterator[str]:
    for unit, flags in node.flags.items():
        for flag in flags:
            yield f"flag {code('--' + flag.name)} of {code(_short(unit))}: {_values(flag, 'not set')}"
    if node.hidden_flags:
        yield "the page keeps flags secret: they are not compared here"
    for values, group in groupby(node.programs, lambda program: _values(program, "not there")):
        yield f"programs {codes(program.name for program in group)}: {values}"
    if node.certificates:
        yield f"new certificates in {codes(node.certificates)}"
    for verb, paths in (("changes", node.files), ("adds", node.added), ("removes", node.removed)):
        if paths:
            yield f"{verb} {codes(paths)}"


def _values(difference: Difference, missing: str) -> str:
    old, new = (missing if value is None else code(value) for value in (difference.old, difference.new))
    return f"{old} → {new}" if old != new else f"{old}, from another file"


def _units(units: Iterable[str]) -> str:
    return codes(_short(unit) for unit in units)


def _short(unit: str) -> str:
    return unit.removesuffix(".service")
