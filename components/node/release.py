"""From what a node should look like to a release with a name: pure, and nothing secret in it.

A release is named by a digest over everything in it. Private keys and tokens enter that digest through the
public text that stands for them, so name and manifest may be shown in a preview.
"""

from __future__ import annotations

import hashlib
import json
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


def describe(part: Part, artifacts: Mapping[str, Artifact], identities: Mapping[str, str]) -> Release:
    """The release for a part, with `identities` for each name in `refs(part)`."""
    manifest = {file.path: _digest(_identity(file, identities), file.group, file.mode) for file in part.files}
    manifest |= {name: _digest([source.sha256 for source in artifacts[name].sources]) for name in part.artifacts}
    manifest |= {f"units/{unit.name}": _digest(unit.text) for unit in part.units}
    watched = [(unit.name, unit.health, unit.restart_on, unit.reload_on) for unit in part.units]
    rest = [[(d.path, d.owner, d.mode) for d in part.directories], part.users, part.commands, watched]
    return Release(
        digest=_digest(manifest, rest),
        manifest=manifest,
        units={unit.name: _unit_digests(unit, manifest) for unit in part.units},
    )


def _unit_digests(unit: Unit, manifest: Mapping[str, str]) -> tuple[str, str]:
    restart = {name: manifest[name] for name in (f"units/{unit.name}", *unit.restart_on)}
    return _digest(restart), _digest({name: manifest[name] for name in unit.reload_on})


def _identity(file: NodeFile, identities: Mapping[str, str]) -> str:
    return identities[file.content.name] if isinstance(file.content, Ref) else file.content


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:SHORT]
