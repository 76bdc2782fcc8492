"""Measures how a first `up` stages two hundred hosts, of which some are slow: how long these keep the others waiting.

The engine, the plugins and the program are real; the hosts are SSH servers of this process (`bench/ssh_hosts.py`).
Nothing is activated.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.preview import page
from bench.ssh_hosts import Hosts, serving
from components.config.errors import NAMESPACE
from tests.e2e.support.progress import Say
from tests.e2e.support.stack import Stack

NAME = "bench-hosts"
WORKERS, SLOW = 197, 16
"""With three control-plane nodes, two hundred hosts. SLOW of the workers are slow."""
SECONDS, SLOW_SECONDS = 3.0, 90.0
"""How long the stage of a host takes."""
_NO_ACTIVATION = "--exclude '**-activate' --exclude-dependents --continue-on-error"


@dataclass(frozen=True)
class Staged:
    """`parallel` operations at the same time. Times are in seconds since the start of the run."""

    parallel: int
    first: float
    """When the first host was staged."""
    ordinary: float
    """When the last host that is not slow was staged."""
    all: float
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
        "| operations at the same time | first host staged at s | last ordinary host at s | all at s | sent MB |",
        "|---:|---:|---:|---:|---:|",
    ]
    for run in runs:
        sizes = f"{run.first:.1f} | {run.ordinary:.1f} | {run.all:.1f} | {run.megabytes:.1f}"
        lines.append(f"| {run.parallel} | {sizes} |")
    return "\n".join(lines)


def hosts_page(hosts: Hosts, key_file: Path) -> dict[str, Any]:
    """The page of a cluster on these hosts."""
    given = page(len(hosts.seconds) - 3)
    given["machines"] = {"provider": "existing", "user": "root", "privateKeyFile": str(key_file)}
    given["machines"]["vip"] = {"address": "10.20.0.250"}
    for node in given["nodes"]:
        node["ssh"] = {"host": "127.0.0.1", "port": hosts.ports[node["name"]], "hostKey": hosts.host_key}
    return {f"{NAMESPACE}:{key}": value for key, value in given.items()}


def seconds_of(workers: int, slow: int) -> Mapping[str, float]:
    """How long the stage of each node takes. The first workers are slow, so that they are staged first."""
    names = [*(f"cp-{number}" for number in (1, 2, 3)), *(f"worker-{number}" for number in range(1, workers + 1))]
    return {name: SLOW_SECONDS if name in names[3 : 3 + slow] else SECONDS for name in names}


def _measure(parallel: int, say: Say) -> Staged:
    seconds = seconds_of(WORKERS, SLOW)
    with serving(seconds) as hosts, _stack(hosts, say) as stack:
        begin = time.monotonic()
        run = stack.up(_NO_ACTIVATION, {"PULUMI_PARALLEL": str(parallel)} if parallel else {})
        assert run.code == 0 and set(hosts.staged) == set(seconds), run.tail(30)
    at = {name: moment - begin for name, moment in hosts.staged.items()}
    ordinary = max(moment for name, moment in at.items() if seconds[name] == SECONDS)
    used = parallel or int(stack.environment()["PULUMI_PARALLEL"])
    return Staged(used, min(at.values()), ordinary, max(at.values()), sum(hosts.taken.values()) / 1e6)


@contextmanager
def _stack(hosts: Hosts, say: Say) -> Iterator[Stack]:
    with TemporaryDirectory(prefix="hardway-bench-") as folder:
        key_file = Path(folder) / "key"
        key_file.touch(mode=0o600)
        key_file.write_text(hosts.login_key)
        stack = Stack(NAME, hosts_page(hosts, key_file), say, limit=1800)
        stack.forget_earlier()
        try:
            yield stack
        finally:
            # Nothing is on any host.
            stack.forget_earlier()
            stack.forget()
