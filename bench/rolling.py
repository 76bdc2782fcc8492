"""Measures how long a rollout takes on each node."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.events import Event, EventLog
from bench.phases import BEGUN, DONE
from components.resource_names import NodeResource
from tests.e2e.support.process import Run
from tests.e2e.support.stack import Stack


@dataclass(frozen=True)
class Step:
    """A part of a rollout, in seconds since the start of `make up`."""

    name: str
    begins: float
    ends: float

    @property
    def takes(self) -> float:
        """The duration in seconds."""
        return self.ends - self.begins


@dataclass(frozen=True)
class Rolled:
    """A run of `make up`, successful or not, and its steps in their order."""

    run: Run
    steps: Sequence[Step]

    def line(self) -> str:
        """All steps in one line."""
        return ", ".join(f"{step.name} {step.takes:.1f} s" for step in self.steps)


def rolled(stack: Stack) -> Rolled:
    """Run `make up` and record when each node was changed."""
    with EventLog(stack.folder / "events.json") as log:
        begin = time.monotonic()
        # Pulumi accepts the option --event-log only with this variable.
        run = stack.up(f"--event-log {stack.folder / 'events.json'}", {"PULUMI_DEBUG_COMMANDS": "true"})
        end = time.monotonic()
    return Rolled(run, steps(begin, log.events, end))


def steps(begin: float, events: Sequence[Event], end: float) -> list[Step]:
    """The activation of each changed node, staging as a whole, and the whole run. Failed steps are left out."""
    begun = {event.name: event.at - begin for event in events if event.kind == BEGUN and event.op != "same"}
    done = {event.name: event.at - begin for event in events if event.kind == DONE and event.name in begun}
    staged = [name for name in done if NodeResource.STAGE.node_in(name)]
    found = [Step(node, begun[name], done[name]) for name in done if (node := NodeResource.ACTIVATE.node_in(name))]
    if staged:
        found.append(Step("staged everywhere", min(begun[name] for name in staged), max(done[name] for name in staged)))
    return [*sorted(found, key=lambda step: step.begins), Step("all", 0.0, end - begin)]


def median_steps(runs: Sequence[Rolled]) -> list[tuple[str, float]]:
    """Name and duration in seconds of each step: medians over several runs, in the order of the first run."""
    takes = [{step.name: step.takes for step in run.steps} for run in runs]
    return [(name, statistics.median(run[name] for run in takes)) for name in takes[0]]
