"""What a change does on each node: files, flags and programs that differ, and units that restart or reload."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from components.resource_names import NodeResource
from tools.report.read import HIDDEN, UNKNOWN, Preview, Step, Values

RELEASE, COMMAND = "hardway:node:NodeRelease", "command:remote:Command"


@dataclass(frozen=True)
class Difference:
    """A named value before and after; None: there is no such value."""

    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class NodeChange:
    """One node that changes.

    `kind`: new, removed, rebuilt (its machine is replaced), changed, or staged (its current release is staged again).
    `restarts` and `reloads` map a unit to the names of the inputs that cause the restart or the reload.
    """

    name: str
    kind: str
    units: tuple[str, ...] = ()
    restarts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reloads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    started: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    flags: Mapping[str, tuple[Difference, ...]] = field(default_factory=dict)
    hidden_flags: bool = False
    """The page keeps the flags secret."""
    programs: tuple[Difference, ...] = ()
    certificates: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def node_changes(preview: Preview) -> tuple[NodeChange, ...]:
    """The nodes that change, in the order in which their releases become active; removed nodes come last."""
    releases = {step.name: step for step in preview.steps if step.type == RELEASE and not _is_same(step)}
    commands = [step for step in preview.steps if step.type == COMMAND and node_of(step)]
    activations = [
        node_of(step) for step in commands if NodeResource.ACTIVATE.node_in(step.name) and step.operation != "delete"
    ]
    rest = {*releases, *(node_of(step) for step in commands)} - {*activations}
    rebuilt = {node_of(step) for step in commands if step.operation == "replace"}
    changes = [
        _change(name, releases.get(name), name in rebuilt) for name in (*dict.fromkeys(activations), *sorted(rest))
    ]
    return tuple(sorted(changes, key=lambda change: change.kind == "removed"))


def _is_same(release: Step) -> bool:
    """Whether only the description of a release differs, as after an upgrade of this program."""
    digest = {**release.old_outputs, **release.old}.get("digest")
    return release.operation == "update" and digest == release.new.get("digest")


def node_of(step: Step) -> str:
    """The node on which a command stages or activates a release; empty if the step is no such command."""
    if step.type != COMMAND:
        return ""
    return NodeResource.STAGE.node_in(step.name) or NodeResource.ACTIVATE.node_in(step.name)


def _change(name: str, release: Step | None, rebuilt: bool) -> NodeChange:
    if release is None:
        return NodeChange(name, "rebuilt" if rebuilt else "staged")
    new = release.new
    if release.operation == "create":
        return NodeChange(name, "new", units=_units(new))
    if release.operation == "delete":
        return NodeChange(name, "removed", units=_units(release.old))
    # A release of an older version of the program has its manifest in its outputs only.
    old = release.old if "manifest" in release.old else {**release.old, **release.old_outputs}
    return _difference(name, old, new, "rebuilt" if rebuilt else "changed")


def _difference(name: str, old: Values, new: Values, kind: str) -> NodeChange:
    before, after = _mapping(old, "manifest"), _mapping(new, "manifest")
    gone, added = before.keys() - after.keys(), after.keys() - before.keys()
    differ = {path for path in before.keys() & after.keys() if after[path] == UNKNOWN or before[path] != after[path]}
    apart = differ | gone | added
    units = _units(new)
    known = [unit for unit in units if f"units/{unit}" not in added]
    restarts = {unit: why for unit in known if (why := _causes(unit, "restartOn", old, new, apart))}
    reloads = {
        unit: why for unit in known if unit not in restarts and (why := _causes(unit, "reloadOn", old, new, apart))
    }
    certificates, others = _by_material(differ, _mapping(new, "material"))
    return NodeChange(
        name,
        kind,
        units=units,
        restarts=restarts,
        reloads=reloads,
        started=tuple(unit for unit in units if unit not in known),
        stopped=tuple(path.removeprefix("units/") for path in sorted(gone) if path.startswith("units/")),
        flags=_flags(old, new),
        hidden_flags=HIDDEN in (old.get("flags"), new.get("flags")),
        programs=_programs(old, new, apart),
        certificates=certificates,
        files=_files(others, old, new),
        added=_files(added, old, new),
        removed=_files(gone, old, new),
    )


def _causes(unit: str, rule: str, old: Values, new: Values, apart: set[str]) -> tuple[str, ...]:
    """Why `apply.sh` will act on a unit: watched names that differ, or that are watched only before or only after."""
    after = _list(_mapping(new, rule).get(unit))
    before = _list(_mapping(old, rule).get(unit)) if rule in old else after
    return tuple(
        name for name in dict.fromkeys([*after, *before]) if name in apart or (name in after) != (name in before)
    )


def _by_material(paths: Iterable[str], material: Mapping[str, str]) -> tuple[tuple[str, ...], set[str]]:
    """The paths of certificates, and all other paths except those of the keys of these certificates."""
    certificates = {path for path in paths if material.get(path, "").endswith(":cert")}
    issued = {material[path].removesuffix(":cert") for path in certificates}
    keys = {path for path in paths if material.get(path, "").removesuffix(":key") in issued}
    return tuple(sorted(certificates)), {*paths} - certificates - keys


def _files(paths: Iterable[str], old: Values, new: Values) -> tuple[str, ...]:
    """Paths of files; programs and units have lines of their own."""
    programs = {*_mapping(old, "versions"), *_mapping(new, "versions")}
    return tuple(sorted(path for path in paths if path not in programs and not path.startswith("units/")))


def _programs(old: Values, new: Values, apart: set[str]) -> tuple[Difference, ...]:
    before, after = _mapping(old, "versions"), _mapping(new, "versions")
    names = [name for name in sorted({*before, *after}) if name in apart or before.get(name) != after.get(name)]
    return tuple(Difference(name, before.get(name), after.get(name)) for name in names)


def _flags(old: Values, new: Values) -> dict[str, tuple[Difference, ...]]:
    before, after = _mapping(old, "flags"), _mapping(new, "flags")
    found = {}
    for unit in sorted(before.keys() & after.keys()):
        one, other = _mapping(before, unit), _mapping(after, unit)
        names = [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
        if names:
            found[unit] = tuple(Difference(name, one.get(name), other.get(name)) for name in names)
    return found


def _mapping(values: Values, key: str) -> Mapping[str, Any]:
    """A value that is a mapping; an empty mapping if the value is secret, unknown or missing."""
    value = values.get(key)
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[str]:
    return value if isinstance(value, list) else []


def _units(values: Values) -> tuple[str, ...]:
    return tuple(_list(values.get("units")))
