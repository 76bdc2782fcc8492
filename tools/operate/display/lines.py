"""The lines about a run: what is done, what runs for how long, and what a running piece of work waits for. Pure.

Times are in seconds on one clock, of which the caller passes the present.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from tools.operate.display.events import Event, Kind
from tools.operate.display.work import Phase, Work, work_of

FIRST_BEAT, NEXT_BEAT, QUIET_BEAT = 5.0, 10.0, 60.0
"""Seconds after which a line says that work goes on: the first line, the lines after it, and each line in CI."""
_ALONE = 4
"""Up to so many nodes in one phase have a line each while they wait. More share a line."""
_ACTS = ("create", "update", "delete", "import", "create-replacement", "delete-replaced")
_REMOVES = ("delete", "delete-replaced")


class Shown(Protocol):
    """What a run of Pulumi shows of its events."""

    def feed(self, event: Event, now: float) -> list[str]:
        """The lines to print because of an event."""

    def beat(self, now: float) -> list[str]:
        """The lines to print because time passes."""

    def end(self, now: float) -> list[str]:
        """The lines to print when the run has ended."""


@dataclass
class _Running:
    work: Work
    removes: bool
    begun: float
    told: str = ""

    @property
    def label(self) -> str:
        return f"{self.work.label}, removal" if self.removes else self.work.label


@dataclass
class _Done:
    begun: float
    count: int = 0
    ended: float = 0.0
    longest: tuple[float, str] = (0.0, "")


@dataclass
class Plan:
    """A preview: how many resources there are so far."""

    begun: float
    _resources: int = 0
    _heard: float | None = None

    def feed(self, event: Event, now: float) -> list[str]:
        """Counts."""
        self._resources += event.kind is Kind.DONE and work_of(event.type, event.name) is not None
        return []

    def beat(self, now: float) -> list[str]:
        """One line every ten seconds."""
        if not _is_due(now, self.begun, self._heard):
            return []
        self._heard = now
        return [f"plan: {self._resources:,} resources, {now - self.begun:.0f} s so far"]

    def end(self, now: float) -> list[str]:
        """Nothing: Pulumi itself says how many resources there are."""
        return []


@dataclass
class Progress:
    """A run that changes something. `quiet`: a line a minute, and one for each phase at the end, as logs of CI need."""

    begun: float
    quiet: bool = False
    _running: dict[tuple[str, str], _Running] = field(default_factory=dict)
    _counted: dict[Phase, _Done] = field(default_factory=dict)
    _heard: dict[Phase, float] = field(default_factory=dict)
    _heard_all: float | None = None

    def feed(self, event: Event, now: float) -> list[str]:
        """A line for each piece of work that has ended."""
        if event.kind is Kind.TOLD:
            for (urn, _), running in self._running.items():
                if urn == event.urn and event.told:
                    running.told = event.told.splitlines()[-1]
            return []
        work = work_of(event.type, event.name)
        if work is None or event.operation not in _ACTS:
            return []
        key = (event.urn, event.operation)
        if event.kind is Kind.BEGUN:
            self._running[key] = _Running(work, event.operation in _REMOVES, now)
            if self._only_counts(work):
                self._counted.setdefault(work.phase, _Done(now))
            return []
        running = self._running.pop(key, None)
        if running is None:
            return []
        took = now - running.begun
        if event.kind is Kind.FAILED:
            return [self._line(now, f"{running.label}: failed after {took:.1f} s")]
        return self._ended(running, took, now)

    def beat(self, now: float) -> list[str]:
        """A line for each phase, or for each of a few nodes of a phase, in which something has run for long."""
        if self.quiet:
            last = self._heard_all if self._heard_all is not None else self.begun
            if now - last < QUIET_BEAT or not self._running:
                return []
            self._heard_all = now
            oldest = sorted(self._running.values(), key=lambda running: running.begun)
            named = "; ".join(_so_far(running, now) for running in oldest[:3])
            more = f"; and {len(oldest) - 3} more" if len(oldest) > 3 else ""
            return [self._line(now, named + more)]
        lines = []
        for phase in Phase:
            running = [one for one in self._running.values() if one.work.phase is phase]
            if running and _is_due(now, min(one.begun for one in running), self._heard.get(phase)):
                self._heard[phase] = now
                lines += [self._line(now, text) for text in self._waits(phase, running, now)]
            elif not running:
                self._heard.pop(phase, None)
        return lines

    def end(self, now: float) -> list[str]:
        """What was counted and not yet told."""
        return [self._line(now, text) for text in self._sums(list(self._counted))]

    def _only_counts(self, work: Work) -> bool:
        return self.quiet or not work.subject

    def _ended(self, running: _Running, took: float, now: float) -> list[str]:
        if self._only_counts(running.work):
            done = self._counted[running.work.phase]
            done.count, done.ended = done.count + 1, now
            done.longest = max(done.longest, (took, running.work.subject))
            return []
        # What was only counted comes before, as soon as nothing of it runs any more.
        active = {one.work.phase for one in self._running.values()}
        lines = [self._line(now, text) for text in self._sums([one for one in self._counted if one not in active])]
        return [*lines, self._line(now, f"{running.label}: done in {took:.1f} s")]

    def _sums(self, phases: Iterable[Phase]) -> list[str]:
        lines = []
        for phase in phases:
            done = self._counted.pop(phase)
            if done.count:
                took, subject = done.longest
                longest = f", the longest {subject} with {took:.1f} s" if subject and done.count > 1 else ""
                lines.append(f"{phase}: {done.count} done in {done.ended - done.begun:.1f} s{longest}")
        return lines

    def _waits(self, phase: Phase, running: list[_Running], now: float) -> list[str]:
        if not running[0].work.subject:
            done = self._counted[phase].count
            return [f"{phase}: {done} done, {len(running)} run, {now - min(r.begun for r in running):.0f} s so far"]
        if len(running) <= _ALONE or phase is Phase.STEP:
            return [_so_far(one, now) for one in running if now - one.begun >= FIRST_BEAT]
        oldest = min(running, key=lambda one: one.begun)
        return [f"{phase}: {len(running)} run, the longest {_so_far(oldest, now)}"]

    def _line(self, now: float, text: str) -> str:
        return f"{now - self.begun:6.1f} s  {text}"


def _so_far(running: _Running, now: float) -> str:
    told = f", {running.told}" if running.told else ""
    return f"{running.label}: {now - running.begun:.0f} s so far{told}"


def _is_due(now: float, begun: float, heard: float | None) -> bool:
    return now - begun >= FIRST_BEAT if heard is None else now - heard >= NEXT_BEAT
