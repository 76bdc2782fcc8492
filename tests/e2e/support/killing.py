"""Kills runs of `make` with SIGKILL at a moment that is counted in steps of Pulumi, not in seconds.

A moment is a little after a number of resources in the state, or after a number of begun steps. Seconds would mean a
different moment on every host.
"""

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from components.resource_names import name_of
from tests.e2e.support.stack import Stack

SEED = "HARDWAY_E2E_SEED"
"""The variable with the seed. With the seed that an earlier run printed, the moments are the same."""
_LIMIT = 600
_FIRST = ("make", "python", "pulumi")
"""The programs from `make` to the engine. Plugins and the language host have other names."""


def seeded() -> tuple[int, random.Random]:
    """A seed, and its random numbers."""
    seed = int(os.environ.get(SEED) or random.SystemRandom().randrange(10**6))
    return seed, random.Random(seed)  # noqa: S311 - moments, no keys


@dataclass(frozen=True)
class Kill:
    """How a run ended: killed after `seconds` with `reached` resources or steps, or by itself with an exit code."""

    seconds: float
    reached: int
    victims: int
    code: int | None
    log: Path

    def tail(self, lines: int = 20) -> str:
        """The last lines of the output of all runs that have this log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def __str__(self) -> str:
        """A text for progress lines."""
        if self.code is not None:
            return f"{self.seconds:.1f} s: had ended by itself with exit code {self.code}"
        return f"{self.seconds:.1f} s: at {self.reached}, {self.victims} processes"


def recorded(stack: Stack) -> int:
    """The number of resources in the state, including pending creations."""
    files = stack.clone.state.glob(f".pulumi/stacks/*/{stack.name}.json")
    return sum(path.read_text().count('"urn"') for path in files)


def begun(stack: Stack, *operations: str, named: str = "") -> int:
    """The number of steps on machines with these operations, such as `update`, that the present run has begun.

    `named` is a regular expression for the names of the steps.
    """
    steps = 0
    with contextlib.suppress(OSError):
        for line in _events(stack).read_text().splitlines():
            with contextlib.suppress(ValueError):
                step = json.loads(line).get("resourcePreEvent", {}).get("metadata", {})
                if step.get("op") in operations and step["type"].startswith("command:remote:"):
                    steps += re.search(named, name_of(step["urn"])) is not None
    return steps


def under_way(stack: Stack) -> list[str]:
    """The names of the steps that the last run had begun and not done when it was killed."""
    steps = list[str]()
    with contextlib.suppress(OSError):
        for line in _events(stack).read_text().splitlines():
            with contextlib.suppress(ValueError, LookupError):
                event = json.loads(line)
                (kind,) = (key for key in event if key.endswith("Event"))
                step = event[kind]["metadata"]
                name = name_of(step["urn"])
                if kind == "resourcePreEvent" and step["op"] != "same" and ":Command" in step["type"]:
                    steps.append(name)
                elif kind == "resOutputsEvent" and name in steps:
                    steps.remove(name)
    return steps


def _events(stack: Stack) -> Path:
    return stack.clone.state / stack.name / "up.jsonl"


def kill(
    stack: Stack,
    target: str,
    count: Callable[[], int],
    moment: int,
    later: float,
    *,
    plugins_too: bool = True,
    extra: Mapping[str, str] | None = None,
) -> Kill:
    """Start `make TARGET`, with further variables, and kill it `later` seconds after `count` has reached `moment`.

    Kills all processes of the run, or without `plugins_too` only the processes from make to the engine.
    """
    command, environment = stack.starting(target)
    _events(stack).unlink(missing_ok=True)  # processes of the run before
    start = time.monotonic()
    log = stack.folder / "killed.log"
    with log.open("a") as output:
        process = subprocess.Popen(
            command,
            cwd=stack.clone.root,
            env=environment | dict(extra or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        while process.poll() is None and count() < moment:
            assert time.monotonic() - start < _LIMIT, f"make {target} did not come to {moment} in {_LIMIT} s: see {log}"
            time.sleep(0.1)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(later)
        if process.returncode is not None:
            return Kill(time.monotonic() - start, count(), 0, process.returncode, log)
        reached = count()
    finally:
        victims = kill_tree(process.pid, plugins_too=plugins_too)
        process.wait()
    return Kill(time.monotonic() - start, reached, victims, None, log)


def kill_tree(pid: int, *, plugins_too: bool) -> int:
    """Stop all processes, so that none can start another or react to the death of a child, and then kill them."""
    victims = [pid]
    for victim in victims:
        with contextlib.suppress(OSError):
            os.kill(victim, signal.SIGSTOP)
            children = [child for child in _children(victim) if plugins_too or _name(child).startswith(_FIRST)]
            victims += [child for child in children if plugins_too or not _name(child).startswith("pulumi-")]
    for victim in victims:
        with contextlib.suppress(OSError):
            os.kill(victim, signal.SIGKILL)
    return len(victims)


def end_orphans(programs: Path) -> int:
    """End plugins of a folder whose engine was killed: some plugins do not notice this. Return their number."""
    orphans = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if (process / "exe").readlink().is_relative_to(programs) and _name(parent) != "pulumi":
                orphans.append(int(process.name))
    for orphan in orphans:
        with contextlib.suppress(OSError):
            os.kill(orphan, signal.SIGTERM)
    return len(orphans)


def _children(pid: int) -> list[int]:
    return [
        int(child) for thread in Path(f"/proc/{pid}/task").glob("*/children") for child in thread.read_text().split()
    ]


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""
