"""A change that reaches one node after the other: how long each of them takes."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.events import Event, EventLog
from bench.phases import BEGUN, DONE
from tests.e2e.support.process import Run
from tests.e2e.support.stack import Stack


@dataclass(frozen=True)
class Step:
    """A part of a roll, in seconds since `make up` was called."""

    name: str
    begins: float
    ends: float

    @property
    def takes(self) -> float:
        """Seconds."""
        return self.ends - self.begins


@dataclass(frozen=True)
class Rolled:
    """A `make up`, whatever came of it, and its steps in their order."""

    run: Run
    steps: Sequence[Step]

    def line(self) -> str:
        """It as one line."""
        return ", ".join(f"{step.name} {step.takes:.1f} s" for step in self.steps)


def rolled(stack: Stack) -> Rolled:
    """Run `make up` and note when each node was changed."""
    with EventLog(stack.folder / "events.json") as log:
        begin = time.monotonic()
        # The variable makes Pulumi accept the option.
        run = stack.up(f"--event-log {stack.folder / 'events.json'}", {"PULUMI_DEBUG_COMMANDS": "true"})
        end = time.monotonic()
    return Rolled(run, steps(begin, log.events, end))


def steps(begin: float, events: Sequence[Event], end: float) -> list[Step]:
    """Staging as a whole, each node that was changed, and all of it. What failed has no end and is left out."""
    begun = {event.name: event.at - begin for event in events if event.kind == BEGUN and event.op != "same"}
    done = {event.name: event.at - begin for event in events if event.kind == DONE and event.name in begun}
    staged = [name for name in done if name.endswith("-stage")]
    found = [
        Step(name.removesuffix("-activate"), begun[name], done[name]) for name in done if name.endswith("-activate")
    ]
    if staged:
        found.append(Step("staged everywhere", min(begun[name] for name in staged), max(done[name] for name in staged)))
    return [*sorted(found, key=lambda step: step.begins), Step("all", 0.0, end - begin)]


def median_steps(runs: Sequence[Rolled]) -> list[tuple[str, float]]:
    """What each step takes in seconds: the median over several runs, in the order of the first."""
    takes = [{step.name: step.takes for step in run.steps} for run in runs]
    return [(name, statistics.median(run[name] for run in takes)) for name in takes[0]]
