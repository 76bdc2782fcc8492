"""Brings a snapshot of etcd back: `make restore SNAPSHOT=latest`."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.config.backup import LATEST, RESTORED, is_snapshot
from components.resource_names import NodeResource, name_of
from tools.common.errors import ToolError
from tools.common.progress import say
from tools.common.store import write_atomically
from tools.operate import kubectl, lost_volumes, page, protected, replace, snapshot_file
from tools.operate.page_text import find, insert
from tools.operate.stack import Stack

_UNJUDGED = "no policy judges a restore: it replaces what the policies protect"

ALL = "all"
_KEY = "hardway:restore"
_REQUEST_SECONDS = 5


def restore(stack: Stack, snapshot: str, machines: str = "", confirm: str = "") -> int:
    """Put a restore on the page, and run `up`: first for the restore, then for objects that the page makes.

    `snapshot` is latest, an id, a time, or the path of a file here. `machines` are names of nodes with commas, or
    `all`: these machines are made anew. If a restore of the same snapshot has stopped the cluster and is not complete,
    then this run goes on with it. Before the stop, `latest` may mean a newer snapshot by now, and new machines need a
    new number, because the state has recorded the old machine that restores.

    Returns Pulumi's exit code. Raises ToolError, and changes nothing, if there are no snapshots to restore, if the name
    of the snapshot or of a machine is wrong, if a machine is protected, if the file is no whole snapshot, if the API
    answers and `confirm` is not the name of the stack, or if AWS does not say which data volumes exist.
    """
    path = stack.clone.page(stack.name)
    known = page.read(path)
    if not page.section(known, "backup"):
        raise ToolError(f"{path.name}: there is no hardway:backup, so there are no snapshots: docs/backup.md")
    file = None if is_snapshot(snapshot) else _file(snapshot)
    replaced = _replaced(stack, known, machines)
    sent_by = _sender(stack, machines) if file else ""
    on_page, ended = _on_page(known), stack.known_outputs().get(RESTORED)
    unfinished = on_page if ended is not None and on_page.number > ended else None
    answers = _answers(stack)
    if confirm != stack.name and answers:
        begun = (
            f"Restore {on_page.number}, which is on the page, is not complete: `make up STACK={stack.name}` goes on. "
        )
        raise ToolError(
            f"the API of stack {stack.name} answers. {begun if unfinished else ''}"
            f"A restore loses everything that was written after the snapshot. "
            f"`make backup STACK={stack.name}` takes a snapshot of now. To go back all the same: "
            f"make restore STACK={stack.name} SNAPSHOT={snapshot} CONFIRM={stack.name}"
        )
    lost_volumes.forget(stack, replaced)
    if file:
        file.send(sent_by)
        snapshot = file.name
    goes_on = unfinished and unfinished.snapshot == snapshot and not replaced and not answers
    if unfinished and goes_on and _has_stopped(stack, unfinished.number):
        say(f"{path.name}: restore {unfinished.number}, of the snapshot {snapshot}, is not complete, and goes on")
    else:
        number = max(on_page.number, int(ended or 0)) + 1
        write_atomically(path, with_restore(path.read_text(), number, snapshot, path.name), 0o644)
        say(f"{path.name}: restore {number}, of the snapshot {snapshot}")
    say(_UNJUDGED)
    if code := stack.up([a for urn in replaced for a in ("--replace", urn)], asks_policies=False):
        say(
            f"the page has the restore already: when the cause is mended, `make up STACK={stack.name}` continues. "
            f"To give up before etcd is restored, take {_KEY} off the page, and run `make up`"
        )
        return code
    say("objects of the cluster that the page makes may be older in the snapshot: `up` compares them")
    return stack.up(["--refresh"], asks_policies=False)


def with_restore(text: str, number: int, snapshot: str, name: str) -> str:
    """The text of the page with this restore. Raises ToolError if this function cannot edit the style of the page."""
    value = f'{{number: {number}, snapshot: "{snapshot}"}}'
    wanted = yaml.safe_load(text)
    wanted["config"] = {**wanted["config"], _KEY: {"number": number, "snapshot": snapshot}}
    config = find(yaml.compose(text), "config")
    found = find(config, _KEY)
    edited = None
    if found:
        edited = f"{text[: found.key_end]}: {value}{text[found.end :]}"
    elif config and config.indent:
        edited = insert(text, config, f"{_KEY}: {value}")
    if edited is None or yaml.safe_load(edited) != wanted:
        raise ToolError(f"{name}: {_KEY} cannot be edited here; write it yourself: {_KEY}: {value}")
    return edited


@dataclass(frozen=True)
class _Restore:
    """The restore on the page; the number is 0 if there is none."""

    number: int = 0
    snapshot: str = LATEST


def _on_page(known: dict[str, Any]) -> _Restore:
    section = page.section(known, "restore")
    number = section.get("number") if isinstance(section, dict) else None
    return _Restore(number, str(section.get("snapshot") or LATEST)) if isinstance(number, int) else _Restore()


def _has_stopped(stack: Stack, number: int) -> bool:
    """Whether the state has a machine on which this restore has stopped API servers and etcd."""
    return any(
        NodeResource.RESTORE.node_in(name_of(resource["urn"]))
        and f" begin {number}'" in str(resource.get("inputs", {}).get("create"))
        for resource in stack.state().get("resources") or []
    )


def _replaced(stack: Stack, known: dict[str, Any], machines: str) -> list[str]:
    """The URNs of machines that are made anew."""
    if not machines:
        return []
    state = stack.state()
    names = _names(machines)
    urns = [*replace.machines(state).values()] if machines == ALL else [replace.machine(state, name) for name in names]
    if not urns:
        raise ToolError("Pulumi did not make the machines of this stack: reinstall the hosts, and leave out MACHINES")
    protected.refuse_replacement(page.section(known, "machines"), state, urns)
    return urns


def _names(machines: str) -> list[str]:
    return re.split(r"[,\s]+", machines.strip())


def _file(name: str) -> snapshot_file.SnapshotFile:
    if not Path(name).is_file():
        allowed = f"{LATEST}, the id of a snapshot, a time such as 2026-11-27T12:30:00Z, the path of a file"
        raise ToolError(f"SNAPSHOT={name}: there is no such file; allowed: {allowed}")
    return snapshot_file.read(Path(name))


def _sender(stack: Stack, machines: str) -> str:
    """The command line that takes the file of a snapshot to the machine that restores."""
    commands = stack.known_outputs().get("backup", {}).get("give", {})
    way_out = (
        'bring the snapshot to the place of the snapshots with restic: docs/backup.md, "A snapshot that is a file"'
    )
    for node, command in commands.items():
        if machines == ALL or node in _names(machines):
            raise ToolError(
                f"MACHINES={machines}: the machine {node}, which restores, does not have the file: {way_out}"
            )
        return str(command)
    raise ToolError(f"an earlier version of the program made stack {stack.name} last: {way_out}")


def _answers(stack: Stack) -> bool:
    """Whether an API server answers, with data of etcd."""
    command = kubectl.required(stack, _REQUEST_SECONDS)
    # One request: kubectl asks an API that does not answer five times what it has, before it asks for an object.
    question = ["get", "--raw", "/api/v1/namespaces/kube-system"]
    return subprocess.run([*command, *question], capture_output=True, check=False).returncode == 0
