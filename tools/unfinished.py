"""What a killed run has left in a stack's state: operations that it had begun, or a file that is not whole.

Pulumi notes each operation before it begins, and drops the note when the outcome is in the state. A note of a creation
that nobody finished stays for ever, with a long warning at every run, until somebody clears it: Pulumi cannot know
whether the thing is there. For resources of this project that does not matter, since creating them again takes over,
or makes anew, what is there.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.errors import ToolError
from tools.progress import say
from tools.store import write_atomically

_AGAIN = ("command:", "hardway:", "kubernetes:", "pulumi:", "tls:")
"""Types whose creation can be repeated. What a cloud made and nobody recorded would be there twice."""
_CREATING = "creating"


@dataclass(frozen=True)
class Settled:
    """Names of resources: those whose operation is taken up again, and those that a person has to look at."""

    again: tuple[str, ...]
    left: tuple[str, ...] = ()


def forget(deployment: dict[str, Any]) -> Settled:
    """Drop the notes of operations that are taken again anyway.

    All stay while there is one for a person: `pulumi stack import`, which brings the rest back, keeps no note.
    """
    operations = deployment.get("pending_operations") or []
    left = [item for item in operations if item["type"] == _CREATING and not _type(item).startswith(_AGAIN)]
    if left:
        return Settled((), _names(f"{_type(item)} {_name(item)}" for item in left))
    deployment["pending_operations"] = []
    return Settled(_names(_name(item) for item in operations))


def adopt(deployment: dict[str, Any]) -> Settled:
    """Before all goes: make creations of commands resources, whose `delete` then removes what there is of them.

    Of the others, objects of the cluster go with it, and keys exist in the state alone.
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
    """Put the backup in the place of a state file that is not whole. Raises ToolError when there is no good one.

    Pulumi replaces the file in one step, so a kill does not hurt it; a power cut can. The backup is one step older.
    What it writes beside the file can be cut off by a kill.
    """
    for path in files:
        _clear(path)
        if _is_whole(path):
            continue
        backup = path.with_name(f"{path.name}.bak")
        if not _is_whole(backup):
            older = path.parents[2] / "backups"
            raise ToolError(
                f"{path} is damaged and so is its backup beside it: copy the newest good file of "
                f"{older / path.parent.name / path.stem} to its place"
            )
        write_atomically(path, backup.read_text(), 0o600)
        say(f"{path} was damaged, as after a power cut: replaced by its backup, which is one step older")


def _clear(path: Path) -> None:
    """Remove what the file backend's library writes beside a state file, where a kill has cut it off.

    The next version of the file, under a name of its own; and its attributes, which are overwritten in place
    (gocloud.dev/blob/fileblob, setAttrs). Nothing needs these, but of some that cannot be read Pulumi says `EOF`.
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
    """Whether a state file notes an operation that has not ended; without parsing it."""
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
    return urn.rpartition("::")[2]
