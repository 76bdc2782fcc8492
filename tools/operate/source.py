"""Which programs the nodes of a stack get, before Pulumi runs: `make` has to fetch or build them.

The rules are those of the program (`components/artifacts/source.py`); the record is in the state of the stack.
"""

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from components.architecture import of_this_machine
from components.artifacts.source import AUTO, HANDED_OVER, RECORD, UPSTREAM, Probes, Source, decide, kept, of_page
from tools.common.errors import ToolError
from tools.common.paths import Clone
from tools.common.store import write_atomically
from tools.operate import locks, unfinished
from tools.operate import page as pages
from tools.operate.envsh import environment, prepare_state
from tools.operate.stack import Stack

__all__ = ["UPSTREAM", "choose", "has_machines", "probes"]
_ROOT = "pulumi:pulumi:Stack"
_NONE: dict[str, Any] = {}


def choose(clone: Clone, name: str, there: Probes | None = None) -> Source:
    """The choice for a stack. It is handed over to the program, which reads no record before its first outputs.

    `there`: the probes, if they are known already. Raises ToolError for a wrong page.
    """
    path = clone.page(name)
    if not path.is_file():
        raise ToolError(pages.missing(clone, name))
    values = pages.read(path)
    artifacts, machines = (pages.section(values, key) for key in ("artifacts", "machines"))
    artifacts = artifacts if isinstance(artifacts, dict) else _NONE
    machines = machines if isinstance(machines, dict) else _NONE
    local = machines.get("provider", "local") == "local"
    chosen = of_page(artifacts.get("source", AUTO), local, artifacts.get("mirror"))
    if chosen is not None:
        _refuse_other_processors(chosen, path, local)
        return chosen
    resources = _resources(Stack(clone, name))
    if any(resource["type"] != _ROOT for resource in resources):
        chosen = kept(_recorded(resources))
    else:
        chosen = decide(there or probes(clone, name))
    _refuse_other_processors(chosen, path, local)
    write_atomically(clone.root / HANDED_OVER / name, f"{chosen.name}\n")
    return chosen


def _refuse_other_processors(chosen: Source, path: Path, local: bool) -> None:
    """Raises ToolError if programs would be built, which takes half an hour, for nodes that cannot run them."""
    if chosen.name == UPSTREAM or local:
        return
    from components.artifacts.choice import not_built

    if problem := not_built(pages.load(path), [of_this_machine()]):
        raise ToolError(f"{path.name}: {problem}")


def probes(clone: Clone, name: str) -> Probes:
    """What is there for the page of a stack. Raises ToolError for a wrong page."""
    return Probes(pages.load(clone.page(name)), os.environ.get("PATH", os.defpath))


def has_machines(clone: Clone, name: str) -> bool:
    """Whether a stack has made something."""
    return any(resource["type"] != _ROOT for resource in _resources(Stack(clone, name)))


def _resources(stack: Stack) -> list[dict[str, Any]]:
    """The resources in the state. Empty if there is no such stack.

    Reads the state file if it is in this clone, because that is faster, and because there may be no Pulumi yet. If the
    state is elsewhere and there is no Pulumi, then nothing is known. Raises ToolError if Pulumi cannot tell.
    """
    if stack.keeps_state_here():
        try:
            return _read(stack.state_files())
        except (ValueError, LookupError):
            # Damaged, as after a power cut. While another run is at work, the file is whole.
            locks.refuse_locked(stack.clone.state, stack.name)
            unfinished.repair(stack.state_files())
            return _read(stack.state_files())
    prepare_state(stack.clone)
    path = environment(stack.clone, stack.name, os.environ)["PATH"]
    if shutil.which("pulumi", path=path) is None or not stack.exists():
        return []
    return stack.state().get("resources") or []


def _read(states: Iterable[Path]) -> list[dict[str, Any]]:
    latest = [json.loads(path.read_bytes())["checkpoint"].get("latest") for path in states]
    return [resource for each in latest if each for resource in each.get("resources") or []]


def _recorded(resources: list[dict[str, Any]]) -> object:
    """The record, or None in the state of an earlier version."""
    found = [item for item in resources if item["urn"].endswith(f"::pulumi:index:Stash::{RECORD}")]
    return found[0].get("inputs", {}).get("input") if found else None
