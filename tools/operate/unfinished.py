"""Repairs the state of a stack after a killed run: pending operations, or a damaged file.

Pulumi records each operation before it begins, and removes the record when the result is in the state. The record of an
unfinished creation stays, with a long warning at every run, until a person clears it, because Pulumi cannot know
whether the resource exists. For resources of this project this does not matter: a second creation adopts or replaces an
existing resource.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.resource_names import name_of
from tools.common.errors import ToolError
from tools.common.progress import say
from tools.common.store import write_atomically

_AGAIN = ("command:", "hardway:", "kubernetes:", "pulumi:", "tls:")
"""Types whose creation can be repeated. A resource of a cloud would exist twice."""
_CREATING = "creating"


@dataclass(frozen=True)
class Settled:
    """Names of resources: `again`: the operation runs again. `left`: a person has to look for the resource."""

    again: tuple[str, ...]
    left: tuple[str, ...] = ()


def forget(deployment: dict[str, Any]) -> Settled:
    """Remove the pending operations that the next run repeats from `deployment`.

    If one of them needs a person, then all stay, because `pulumi stack import`, which writes the state, keeps none.
    """
    operations = deployment.get("pending_operations") or []
    left = [item for item in operations if item["type"] == _CREATING and not _type(item).startswith(_AGAIN)]
    if left:
        return Settled((), _names(f"{_type(item)} {_name(item)}" for item in left))
    deployment["pending_operations"] = []
    return Settled(_names(_name(item) for item in operations))


def adopt(deployment: dict[str, Any]) -> Settled:
    """Before `destroy`: make resources of the unfinished creations of commands, so that their `delete` runs.

    Unfinished objects of the cluster disappear with the cluster, and unfinished keys exist in the state only.
    """
    known = {resource["urn"] for resource in deployment.get("resources") or []}
    begun = {
        item["resource"]["urn"]: item["resource"] | {"id": "interrupted", "outputs": item["resource"].get("inputs", {})}
        for item in deployment.get("pending_operations") or []
        if item["type"] == _CREATING and _type(item).startswith("command:")
    }
    settled = forget(deployment)
    adopted = [resource for urn, resource in begun.items() if urn not in known]
    deployment["resources"] = [*(deployment.get("resources") or []), *adopted]
    return Settled(settled.again or _names(_name({"resource": item}) for item in adopted), settled.left)


def _names(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))


def repair(files: Iterable[Path]) -> None:
    """Replace a damaged state file by its backup, which is one step older. Raises ToolError if both are damaged.

    Pulumi replaces the file in one step, so a kill does not damage it, but a power cut can. A kill can cut off the
    other files that Pulumi writes beside the state file.
    """
    for path in files:
        _clear(path)
        if _is_whole(path):
            continue
        backup = path.with_name(f"{path.name}.bak")
        if not _is_whole(backup):
            older = path.parents[2] / "backups"
            raise ToolError(
                f"{path} is damaged and so is its backup beside it: copy the newest undamaged file of "
                f"{older / path.parent.name / path.stem} to {path}"
            )
        write_atomically(path, backup.read_text(), 0o600)
        say(f"{path} was damaged, as after a power cut, and was replaced by its backup, which is one step older")


def _clear(path: Path) -> None:
    """Remove files beside a state file that a kill has cut off: temporary files, and attributes that are no JSON.

    The library of the file backend writes the next version of the file under a temporary name. Only earlier versions of
    this project let it write attributes (tools/operate/envsh.py, own_backend).
    """
    for next_version in path.parent.glob(f"{path.name}.*.tmp"):
        next_version.unlink()
    for name in (path.name, f"{path.name}.bak"):
        attributes = path.with_name(f"{name}.attrs")
        try:
            json.loads(attributes.read_text())
        except FileNotFoundError:
            continue
        except ValueError:
            attributes.unlink()


def has_operations(files: Iterable[Path]) -> bool:
    """Whether a state file contains pending operations. Does not parse the file, because that takes long."""
    return any('"pending_operations"' in path.read_text() for path in files)


def _is_whole(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_text())["checkpoint"], dict)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _type(operation: dict[str, Any]) -> str:
    kind: str = operation["resource"]["type"]
    return kind


def _name(operation: dict[str, Any]) -> str:
    urn: str = operation["resource"]["urn"]
    return name_of(urn)
