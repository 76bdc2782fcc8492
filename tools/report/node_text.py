"""The part of the report about nodes: nodes to which the same happens are told of together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from tools.report.markdown import Section, code, codes
from tools.report.nodes import Difference, NodeChange

_ROLL = (
    "All releases are staged first, on all nodes at once; then they come into force one after the other. The next node "
    "is not touched before the last one is healthy; one that does not become healthy goes back to its release before."
)
_START = "On a new node everything starts at once. The run waits for health"


def nodes_section(nodes: tuple[NodeChange, ...]) -> Iterator[Section]:
    """The section about nodes, or none; `nodes` in the order of the roll."""
    if not nodes:
        return
    groups: dict[tuple[str, ...], list[str]] = {}
    for node in nodes:
        groups.setdefault(tuple(_lines(node)), []).append(node.name)
    blocks = [
        "\n".join([f"**{codes(names)}**", *(f"- {line}" for line in lines), ""]) for lines, names in groups.items()
    ]
    yield Section("Nodes", tuple(blocks), text=_order(nodes))


def _order(nodes: tuple[NodeChange, ...]) -> str:
    rolled = [node for node in nodes if node.kind not in ("removed", "staged")]
    if not rolled:
        return ""
    names = codes((node.name for node in rolled), " → ")
    if all(node.kind == "new" for node in rolled):
        return f"{_START} in this order: {names}." if len(rolled) > 1 else f"{_START}."
    return f"{_ROLL}\n\nOrder: {names}."


def _lines(node: NodeChange) -> Iterator[str]:
    match node.kind:
        case "new":
            yield f"is new and starts {_units(node.units)}"
        case "removed":
            yield "leaves the cluster"
        case "staged":
            yield "is brought its present release once more: nothing restarts"
        case "rebuilt" if not node.units:
            yield "gets its present release on a new machine, where everything starts"
        case "rebuilt":
            yield f"gets a changed release on a new machine, where everything starts: {_units(node.units)}"
            yield from _content(node)
        case _:
            yield from _disturbance(node)
            yield from _content(node)


def _disturbance(node: NodeChange) -> Iterator[str]:
    if not (node.restarts or node.reloads or node.started or node.stopped):
        yield "restarts and reloads nothing: services read the new files by themselves"
    yield from _acted_on("restarts", node, node.restarts)
    yield from _acted_on("reloads", node, node.reloads)
    if node.started:
        yield f"starts {_units(node.started)}"
    if node.stopped:
        yield f"stops {_units(node.stopped)}"


def _acted_on(verb: str, node: NodeChange, units: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Units in the order of their start; neighbours with one cause stand together."""
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
        yield "flags are kept secret by the page, and not compared here"
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
