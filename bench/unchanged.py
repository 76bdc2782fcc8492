"""Measures a run that changes nothing, beside what the engine needs for the same resources.

Each stack is up before, on hosts on which nothing is done (`bench/pretended.py`). The floor is a program that registers
the resources of the state and does nothing else (`bench/replay`).
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.hosts import WRITTEN_ONCE, stack_without_machines
from bench.preview import names, operations, ordered
from bench.processes import BESIDE, Usage, beside, watch
from tests.e2e.support.progress import Say
from tests.e2e.support.stack import Stack
from tools.operate.pulumi import GOGC

NAME = "bench-unchanged"
WORKERS = (5, 50, 500)
_NOT_REGISTERED = ("pulumi:pulumi:Stack", "pulumi:providers:")


@dataclass(frozen=True)
class Unchanged:
    """Runs of a cluster with `workers` workers and three control-plane nodes, which has `resources` resources."""

    workers: int
    resources: int
    first: float
    """Seconds of the first `make up`, on hosts that need no time, with a state that is written at the end only."""
    judged: Usage
    """`make up` with the policies, as people run it."""
    program: Usage
    """`pulumi preview` without the policies."""
    floor: Usage
    """The same with the program that only registers."""


def measure_unchanged(say: Say, sizes: Sequence[int] = WORKERS) -> list[Unchanged]:
    """Measure for each number of workers. Raises AssertionError if a run changes something."""
    found = []
    for workers in sizes:
        found.append(_measure(workers, say))
        say(f"{workers} workers: {found[-1]}")
    return found


def table(runs: Sequence[Unchanged]) -> str:
    """The runs as Markdown."""
    lines = [
        f"| workers | resources | first `make up` s | unchanged `make up` s | {BESIDE} | memory MB |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for run in runs:
        lines.append(
            f"| {run.workers} | {run.resources:,} | {run.first:.1f} | {run.judged.seconds:.1f} "
            f"| {beside(run.program, run.floor)} | {run.judged.memory / 1e6:.0f} |"
        )
    return "\n".join(lines)


def registered(deployment: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The resources of a state as `bench/replay` takes them. The secrets of the state are in plain text."""
    found = []
    for entry in deployment["resources"]:
        if entry["type"].startswith(_NOT_REGISTERED) and not _is_of_program(entry):
            continue
        provider, version = _provider(entry.get("provider", ""))
        found.append(
            {
                "urn": entry["urn"],
                "type": entry["type"],
                "name": entry["urn"].rpartition("::")[2],
                "parent": entry.get("parent", ""),
                "custom": entry["custom"],
                "inputs": _without_internals(_plain(entry.get("inputs", {}))),
                "outputs": _plain(entry.get("outputs", {})) if not entry["custom"] else {},
                "dependencies": entry.get("dependencies", []),
                "deletedWith": entry.get("deletedWith", ""),
                "replaceWith": entry.get("replaceWith", []),
                "additionalSecretOutputs": entry.get("additionalSecretOutputs", []),
                "ignoreChanges": entry.get("ignoreChanges", []),
                "replaceOnChanges": entry.get("replaceOnChanges", []),
                "protect": entry.get("protect", False),
                "provider": provider,
                "version": version,
            }
        )
    return [dict(resource) for resource in ordered(found)]


def _is_of_program(entry: Mapping[str, Any]) -> bool:
    """Whether the program registers a provider, and the engine does not make it by itself."""
    return entry["type"].startswith("pulumi:providers:") and not entry["urn"].rpartition("::")[2].startswith("default")


def _provider(reference: str) -> tuple[str, str]:
    """The provider that the program names, and the version with which the engine finds its own provider."""
    urn = reference.rpartition("::")[0]
    name = urn.rpartition("::")[2]
    if not name.startswith("default"):
        return urn, ""
    return "", name.removeprefix("default").lstrip("_").replace("_", ".")


def _plain(value: Any) -> Any:
    """A value of the state in the form of a request: a secret has `value` in the place of `plaintext`."""
    if isinstance(value, dict):
        if "plaintext" in value:
            marks = {key: mark for key, mark in value.items() if key != "plaintext"}
            return marks | {"value": _plain(json.loads(value["plaintext"]))}
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _without_internals(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in inputs.items() if key not in ("__internal", "__defaults")}


def _measure(workers: int, say: Say) -> Unchanged:
    with stack_without_machines(f"{NAME}-{workers}", dict.fromkeys(names(workers), 0.0), say) as (stack, _):
        first = stack.up("", WRITTEN_ONCE)
        assert first.code == 0, first.tail(30)
        command, environment = stack.starting("up")
        judged = watch(command, stack.clone.root, environment | {"POLICIES": "policies"}, stack.folder / "judged")
        state = stack.folder / "state.json"
        resources = registered(stack.exported(secrets=True)["deployment"])
        state.touch(mode=0o600)
        state.write_text(json.dumps(resources))
        try:
            program = _preview(stack, stack.clone.root, {})
            floor = _preview(stack, stack.clone.root / "bench" / "replay", {"BENCH_RESOURCES": str(state)})
        finally:
            state.unlink()
    return Unchanged(workers, len(resources), first.seconds, judged, program, floor)


def _preview(stack: Stack, folder: Path, extra: Mapping[str, str]) -> Usage:
    events = stack.folder / "events.jsonl"
    events.unlink(missing_ok=True)
    page = stack.clone.page(stack.name)
    command = ["pulumi", "preview", "--non-interactive", "--suppress-outputs", "--event-log", str(events)]
    environment = {**os.environ, **stack.environment(), **extra, "PULUMI_DEBUG_COMMANDS": "true", "GOGC": GOGC}
    usage = watch([*command, "--config-file", str(page)], folder, environment, stack.folder / "preview.log")
    found = operations(events.read_text())
    assert {op for op, _ in found} == {"same"}, f"{folder.name} changes something: {found}"
    return usage
