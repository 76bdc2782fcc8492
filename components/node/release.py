"""Computes the release of a node from its parts. Pure, and without secrets.

The name of a release is a digest of everything in the release. For private keys and tokens, the digest uses their
public identities, so a preview may show the name and the manifest.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from components.artifacts.lock import Artifact
from components.node.model import NodeFile, NodePart, Ref, Unit

INSTALLED = "installed"
"""An entry in the digest for a unit that an activation does not start."""
SHORT = 12
"""Characters of a digest in names and manifests: 48 bits, enough to distinguish the releases of one node."""


@dataclass(frozen=True)
class Release:
    """A named release.

    `digest` is the name. `manifest` has a short digest for each path, unit and artifact. `units` has two digests for
    each unit: of everything whose change requires a restart, and of everything whose change requires a reload.
    """

    digest: str
    manifest: dict[str, str]
    units: dict[str, tuple[str, str]]


def refs(part: NodePart) -> tuple[str, ...]:
    """The sorted names of the material to which a part refers."""
    return tuple(sorted({file.content.name for file in part.files if isinstance(file.content, Ref)}))


def material_files(part: NodePart) -> dict[str, tuple[NodeFile, str]]:
    """The files whose content is material, by path, each with the name of its material."""
    return {file.path: (file, file.content.name) for file in part.files if isinstance(file.content, Ref)}


def file_digest(file: NodeFile, identity: str) -> str:
    """The digest of a file in a manifest. `identity` is the text of the file or the public identity of its material."""
    return _digest(identity, file.reader or "root", file.mode)


def fixed_manifest(part: NodePart, artifacts: Mapping[str, Artifact]) -> dict[str, str]:
    """The manifest without `material_files`: the part that is known before any certificate exists."""
    manifest = {file.path: file_digest(file, file.content) for file in part.files if isinstance(file.content, str)}
    manifest |= {name: _digest([source.sha256 for source in artifacts[name].sources]) for name in part.artifacts}
    return manifest | {f"units/{unit.name}": _digest(unit.text) for unit in part.units}


def describe(part: NodePart, artifacts: Mapping[str, Artifact], identities: Mapping[str, str]) -> Release:
    """The release of a part. `identities` has the public identity of each name in `refs(part)`."""
    filled = {path: file_digest(file, identities[name]) for path, (file, name) in material_files(part).items()}
    manifest = fixed_manifest(part, artifacts) | filled
    watched = [
        # Only units that an activation does not start have the entry INSTALLED, so that existing digests do not change.
        (unit.name, unit.health, unit.leave, unit.restart_on, unit.reload_on, *(() if unit.starts else (INSTALLED,)))
        for unit in part.units
    ]
    rest = [[(d.path, d.owner, d.mode) for d in part.directories], part.users, part.commands, watched]
    return Release(
        digest=_digest(manifest, rest),
        manifest=manifest,
        units={unit.name: _unit_digests(unit, manifest) for unit in part.units},
    )


def outline(part: NodePart, artifacts: Mapping[str, Artifact]) -> dict[str, object]:
    """Facts with which the preview report explains a manifest. All are known before anything runs.

    `units`: the units that an activation starts, in their order. `flags`: values by unit and name of the flag.
    `restartOn` and `reloadOn`: names in the manifest whose change restarts or reloads a unit, by unit. `material`:
    names of material by path of the file. `versions`: versions by artifact.
    """
    started = [unit for unit in part.units if unit.starts]
    return {
        "units": [unit.name for unit in started],
        "flags": {unit.name: found for unit in part.units if (found := unit_flags(unit.text))},
        "restartOn": {unit.name: _restart_on(unit) for unit in started},
        "reloadOn": {unit.name: list(unit.reload_on) for unit in started if unit.reload_on},
        "material": {path: name for path, (_, name) in material_files(part).items()},
        "versions": {name: artifacts[name].version for name in part.artifacts},
    }


def unit_flags(text: str) -> dict[str, str]:
    """The flags `--name=value` in the command line of a unit, values by name."""
    commands = (line for line in text.replace("\\\n", " ").splitlines() if line.startswith("ExecStart="))
    words = [word for line in commands for word in shlex.split(line.partition("=")[2])]
    pairs = (word[2:].partition("=") for word in words if word.startswith("--") and "=" in word)
    # A unit doubles the characters that systemd expands (render/systemd.py, quote).
    return {name: value.replace("%%", "%").replace("$$", "$") for name, _, value in pairs}


def _restart_on(unit: Unit) -> list[str]:
    return [f"units/{unit.name}", *unit.restart_on]


def _unit_digests(unit: Unit, manifest: Mapping[str, str]) -> tuple[str, str]:
    restart = {name: manifest[name] for name in _restart_on(unit)}
    return _digest(restart), _digest({name: manifest[name] for name in unit.reload_on})


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:SHORT]
