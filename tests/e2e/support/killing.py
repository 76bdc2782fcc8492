"""Runs of `make` that are killed with SIGKILL at a moment that is counted in Pulumi's own steps, not in seconds.

A moment is "so many resources are in the state" or "so many steps have begun", and a little later: seconds would mean
other things on every machine.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.support.stack import Stack

SEED = "HARDWAY_E2E_SEED"
"""Set to a number that an earlier run has printed, the moments are the same."""
_LIMIT = 600
_FIRST = ("make", "python", "pulumi")
"""From the command that a person types to the engine; its plugins and the language host have other names."""


def seeded() -> tuple[int, random.Random]:
    """A seed, and the random numbers that follow from it."""
    seed = int(os.environ.get(SEED) or random.SystemRandom().randrange(10**6))
    return seed, random.Random(seed)  # noqa: S311 - moments, no keys


@dataclass(frozen=True)
class Kill:
    """How a run ended: killed after `seconds`, with `reached` resources or steps, or by itself with an exit code."""

    seconds: float
    reached: int
    victims: int
    code: int | None

    def __str__(self) -> str:
        """For the line of a moment."""
        if self.code is not None:
            return f"{self.seconds:.1f} s: had ended by itself with exit code {self.code}"
        return f"{self.seconds:.1f} s: at {self.reached}, {self.victims} processes"


def recorded(stack: Stack) -> int:
    """Resources in the state of a stack, and creations that are noted there as begun."""
    files = stack.clone.state.glob(f".pulumi/stacks/*/{stack.name}.json")
    return sum(path.read_text().count('"urn"') for path in files)


def begun(stack: Stack, operation: str) -> int:
    """Steps on machines of an operation, such as `update`, that the run which is under way has begun."""
    steps = 0
    with contextlib.suppress(OSError):
        for line in _events(stack).read_text().splitlines():
            with contextlib.suppress(ValueError):
                step = json.loads(line).get("resourcePreEvent", {}).get("metadata", {})
                steps += step.get("op") == operation and step["type"].startswith("command:remote:")
    return steps


def _events(stack: Stack) -> Path:
    return stack.clone.state / stack.name / "up.jsonl"


def kill(
    stack: Stack, target: str, count: Callable[[], int], moment: int, later: float, *, plugins_too: bool = True
) -> Kill:
    """Start `make TARGET` and kill it `later` seconds after `count` has reached `moment`.

    All its processes go, or only those from make to the engine: then plugins and scripts are left without a master.
    """
    command, environment = stack.starting(target)
    _events(stack).unlink(missing_ok=True)  # those of the run before
    start = time.monotonic()
    log = stack.folder / "killed.log"
    with log.open("a") as output:
        process = subprocess.Popen(
            command, cwd=stack.clone.root, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        while process.poll() is None and count() < moment:
            assert time.monotonic() - start < _LIMIT, f"make {target} did not come to {moment} in {_LIMIT} s: see {log}"
            time.sleep(0.1)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(later)
        if process.returncode is not None:
            return Kill(time.monotonic() - start, count(), 0, process.returncode)
        reached = count()
    finally:
        victims = kill_tree(process.pid, plugins_too=plugins_too)
        process.wait()
    return Kill(time.monotonic() - start, reached, victims, None)


def kill_tree(pid: int, *, plugins_too: bool) -> int:
    """Stop the processes first, so that none can start another one or clean up after a child that has died."""
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
    """End what runs from a folder of plugins without an engine: some do not notice that theirs was killed."""
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
