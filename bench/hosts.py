"""Measures how a first `up` stages two hundred hosts, of which some are slow: how long these keep the others waiting.

The engine, the plugins, the program and the API are real; nothing is done on the hosts (`bench/pretended.py`).
"""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.pretended import pretended
from bench.preview import names
from bench.ssh_hosts import Hosts, serving
from tests.e2e.support.process import ask
from tests.e2e.support.progress import Say
from tests.e2e.support.stack import Stack
from tools.operate.envsh import prepare_state

NAME = "bench-hosts"
WORKERS, SLOW = 197, 16
"""With three control-plane nodes, two hundred hosts. SLOW of the workers are slow."""
SECONDS, SLOW_SECONDS = 3.0, 90.0
"""How long the stage of a host takes."""
UP_SECONDS = 1800
WRITTEN_ONCE = {"PULUMI_EXPERIMENTAL": "true", "PULUMI_SKIP_CHECKPOINTS": "true"}
"""The engine writes the state at the end only: a state of hundreds of nodes that is written after each operation takes
most of the time of a run (docs/scale.md), and is not what is measured here."""


@dataclass(frozen=True)
class Staged:
    """`parallel` operations at the same time. Times are in seconds since the start of the run."""

    parallel: int
    first: float
    """When the first host was staged."""
    ordinary: float
    """When the last host that is not slow was staged."""
    all: float
    end: float
    """When the cluster was up."""
    megabytes: float
    """What the operator's machine sent to all hosts."""


def measure_hosts(say: Say) -> list[Staged]:
    """Measure with Pulumi's own default for this machine, and with the number that hardway sets."""
    found = []
    for parallel in (4 * (os.cpu_count() or 1), 0):
        found.append(_measure(parallel, say))
        say(f"{found[-1]}")
    return found


def table(runs: Sequence[Staged]) -> str:
    """The runs as Markdown."""
    lines = [
        f"{WORKERS + 3} hosts; the stage of {SLOW} takes {SLOW_SECONDS:.0f} s, that of the others {SECONDS:.0f} s.\n",
        "| operations at the same time | first host staged at s | last ordinary host at s | last slow host at s "
        "| up at s | sent MB |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for run in runs:
        times = " | ".join(f"{moment:.1f}" for moment in (run.first, run.ordinary, run.all, run.end, run.megabytes))
        lines.append(f"| {run.parallel} | {times} |")
    return "\n".join(lines)


def seconds_of(workers: int, slow: int) -> Mapping[str, float]:
    """How long the stage of each node takes. The first workers are slow, so that they are staged first."""
    slow_ones = [name for name in names(workers) if name.startswith("worker-")][:slow]
    return {name: SLOW_SECONDS if name in slow_ones else SECONDS for name in names(workers)}


@contextlib.contextmanager
def stack_without_machines(name: str, seconds: Mapping[str, float], say: Say) -> Iterator[tuple[Stack, Hosts]]:
    """A stack whose whole `up` succeeds although nothing is on any host, and its hosts. Removed at the end."""
    with (
        TemporaryDirectory(prefix="hardway-bench-") as folder,
        serving(seconds) as hosts,
        pretended(Path(folder), hosts) as cluster,
    ):
        stack = Stack(name, cluster.page, say, limit=UP_SECONDS)
        stack.forget_earlier()
        try:
            _init(stack)
            yield replace(stack, page=cluster.page_for(stack)), hosts
        finally:
            # Nothing is on any host, so nothing has to be removed there.
            stack.forget_earlier()
            stack.forget()


def _init(stack: Stack) -> None:
    """Make the stack, which `make up` would do, because its page needs a secret."""
    prepare_state(stack.clone)
    # Pulumi writes a page beside the file of the project.
    shutil.copy(stack.clone.root / "Pulumi.yaml", stack.folder)
    command = ["pulumi", "stack", "init", stack.name, "--no-select", "--non-interactive"]
    ask(command, cwd=stack.folder, env=stack.environment()).ok()


def _measure(parallel: int, say: Say) -> Staged:
    seconds = seconds_of(WORKERS, SLOW)
    with stack_without_machines(NAME, seconds, say) as (stack, hosts):
        begin = time.monotonic()
        run = stack.up("", WRITTEN_ONCE | ({"PULUMI_PARALLEL": str(parallel)} if parallel else {}))
        end = time.monotonic() - begin
        used = parallel or int(stack.environment()["PULUMI_PARALLEL"])
    assert run.code == 0 and set(hosts.staged) == set(seconds), run.tail(30)
    at = {name: moment - begin for name, moment in hosts.staged.items()}
    ordinary = max(moment for name, moment in at.items() if seconds[name] == SECONDS)
    return Staged(used, min(at.values()), ordinary, max(at.values()), end, sum(hosts.taken.values()) / 1e6)
