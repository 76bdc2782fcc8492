"""From what a node should look like to a release with a name: pure, and nothing secret in it.

A release is named by a digest over everything in it. Private keys and tokens enter that digest through the
public text that stands for them, so name and manifest may be shown in a preview.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from components.artifacts.lock import Artifact
from components.node.model import NodeFile, Part, Ref, Unit

SHORT = 12
"""Characters of a digest in names and manifests: 48 bits, plenty to tell the releases of one node apart."""


@dataclass(frozen=True)
class Release:
    """A named release.

    `digest` names it; `manifest` has a short digest for each path, unit and artifact; `units` for each unit
    the digests of what needs a restart and of what needs a reload.
    """

    digest: str
    manifest: dict[str, str]
    units: dict[str, tuple[str, str]]


def refs(part: Part) -> tuple[str, ...]:
    """Names of the material that a part refers to, sorted."""
    return tuple(sorted({file.content.name for file in part.files if isinstance(file.content, Ref)}))


def material_files(part: Part) -> dict[str, tuple[NodeFile, str]]:
    """The files that are filled in, by path, each with the name of its material."""
    return {file.path: (file, file.content.name) for file in part.files if isinstance(file.content, Ref)}


def file_digest(file: NodeFile, identity: str) -> str:
    """The digest of a file in a manifest; `identity` is its text, or the public text that stands for it."""
    return _digest(identity, file.group, file.mode)


def fixed_manifest(part: Part, artifacts: Mapping[str, Artifact]) -> dict[str, str]:
    """The manifest without `material_files`: what is known of a release before any certificate is."""
    manifest = {file.path: file_digest(file, file.content) for file in part.files if isinstance(file.content, str)}
    manifest |= {name: _digest([source.sha256 for source in artifacts[name].sources]) for name in part.artifacts}
    return manifest | {f"units/{unit.name}": _digest(unit.text) for unit in part.units}


def describe(part: Part, artifacts: Mapping[str, Artifact], identities: Mapping[str, str]) -> Release:
    """The release for a part, with `identities` for each name in `refs(part)`."""
    filled = {path: file_digest(file, identities[name]) for path, (file, name) in material_files(part).items()}
    manifest = fixed_manifest(part, artifacts) | filled
    watched = [(unit.name, unit.health, unit.leave, unit.restart_on, unit.reload_on) for unit in part.units]
    rest = [[(d.path, d.owner, d.mode) for d in part.directories], part.users, part.commands, watched]
    return Release(
        digest=_digest(manifest, rest),
        manifest=manifest,
        units={unit.name: _unit_digests(unit, manifest) for unit in part.units},
    )


def outline(part: Part, artifacts: Mapping[str, Artifact]) -> dict[str, object]:
    """What a reader of a preview needs to make sense of a manifest; all of it is known before anything runs.

    `units` in the order of their start, `flags` by unit and name, `restartOn` and `reloadOn` with the names in the
    manifest whose change restarts or reloads a unit, `material` by path of the file it fills in, `versions` by
    artifact.
    """
    return {
        "units": [unit.name for unit in part.units],
        "flags": {unit.name: found for unit in part.units if (found := unit_flags(unit.text))},
        "restartOn": {unit.name: _restart_on(unit) for unit in part.units},
        "reloadOn": {unit.name: list(unit.reload_on) for unit in part.units if unit.reload_on},
        "material": {path: name for path, (_, name) in material_files(part).items()},
        "versions": {name: artifacts[name].version for name in part.artifacts},
    }


def unit_flags(text: str) -> dict[str, str]:
    """The `--name=value` flags that a unit starts its program with."""
    commands = (line for line in text.replace("\\\n", " ").splitlines() if line.startswith("ExecStart="))
    words = [word for line in commands for word in shlex.split(line.partition("=")[2])]
    pairs = (word[2:].partition("=") for word in words if word.startswith("--") and "=" in word)
    # systemd's own signs are doubled in a unit (render/systemd.py, quote).
    return {name: value.replace("%%", "%").replace("$$", "$") for name, _, value in pairs}


def _restart_on(unit: Unit) -> list[str]:
    return [f"units/{unit.name}", *unit.restart_on]


def _unit_digests(unit: Unit, manifest: Mapping[str, str]) -> tuple[str, str]:
    restart = {name: manifest[name] for name in _restart_on(unit)}
    return _digest(restart), _digest({name: manifest[name] for name in unit.reload_on})


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:SHORT]
