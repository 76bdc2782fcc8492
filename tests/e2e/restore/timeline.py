"""What `make restore` spends its time on: the phases of its first `up`, and when the API answers again."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.events import Event, EventLog
from bench.phases import DONE
from components.resource_names import RESTORE_FETCH, NodeResource
from tests.e2e.support.cluster import Cluster

_LOOK_SECONDS = 0.5


@dataclass
class Timeline:
    """Seconds since the beginning. `answered` is the first answer of the API after an attempt without one."""

    begin: float = field(default_factory=time.monotonic)
    events: Sequence[Event] = ()
    end: float = 0.0
    answered: float | None = None

    def line(self) -> str:
        """All phases in one line, each with the time at which its last step was done."""
        done = {event.name: event.at - self.begin for event in self.events if event.kind == DONE and event.op != "same"}
        first = min((event.at - self.begin for event in self.events), default=0.0)
        last = max((event.at - self.begin for event in self.events), default=0.0)
        staged = [at for name, at in done.items() if NodeResource.STAGE.node_in(name)]
        stopped = [at for name, at in done.items() if NodeResource.RESTORE.node_in(name)]
        made = [at for name, at in done.items() if NodeResource.MACHINE.node_in(name)]
        steps = {
            "engine": first,
            "machines": max(made, default=None),
            "staged": max(staged, default=None),
            "fetched": done.get(RESTORE_FETCH),
            "stopped": max(stopped, default=None),
            **{
                f"{NodeResource.ACTIVATE.node_in(n)} active": at
                for n, at in done.items()
                if NodeResource.ACTIVATE.node_in(n)
            },
            "first run": last,
            "second run": self.end - self.begin,
        }
        told = [f"{name} {at:.1f}" for name, at in steps.items() if at is not None]
        answered = f"; the API answered after {self.answered:.1f} s" if self.answered else ""
        return f"{', '.join(told)} s{answered}"


@contextlib.contextmanager
def timed(cluster: Cluster, log: Path | None = None) -> Iterator[Timeline]:
    """Record a run of `make restore`, which is the body. `log` is its event log, if it is not that of this clone."""
    stack = cluster.stack
    found, ended = Timeline(), threading.Event()

    def look() -> None:
        """Ask the API until it answers after it did not."""
        missed = False
        while not ended.wait(_LOOK_SECONDS):
            answer = cluster.kubectl(
                "--request-timeout=2s", "get", "--raw", "/api/v1/namespaces/kube-system", timeout=10
            )
            if answer.code != 0:
                missed = True
            elif missed and found.answered is None:
                found.answered = time.monotonic() - found.begin

    thread = threading.Thread(target=look)
    with EventLog(log or stack.clone.state / stack.name / "up.jsonl") as recorded:
        found.begin = time.monotonic()
        thread.start()
        try:
            yield found
        finally:
            found.end = time.monotonic()
            ended.set()
            thread.join()
    found.events = recorded.events
