"""Brings together specs, results and answers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tools.conformance.answers import Answer
from tools.conformance.specs import PASSED, Result, Spec

LEFT_OUT, ANSWERED, STALE, OPEN = "left out", "answered", "stale answer", "open"
STATES = (PASSED, ANSWERED, LEFT_OUT, STALE, OPEN)


@dataclass(frozen=True)
class Verdict:
    """The judgement of one spec. `result` is None if the spec did not run, `answer` if the project has no answer."""

    spec: Spec
    result: Result | None
    answer: Answer | None

    @property
    def state(self) -> str:
        """One of STATES."""
        if self.answer is None:
            return PASSED if self.result and self.result.state == PASSED else OPEN
        if self.result is None:
            return OPEN if self.answer.run else LEFT_OUT
        return STALE if self.result.state == PASSED else ANSWERED

    @property
    def problem(self) -> str:
        """What somebody has to do something about; empty if the spec passed or is answered."""
        if self.state == STALE:
            return "passes, so its answer in the table of answers has to go"
        if self.state != OPEN:
            return ""
        if self.result is None:
            return "did not run"
        return f"{self.result.state}: {self.result.message or 'without a message'}"


def left_out(specs: Iterable[Spec], answers: Mapping[str, Answer]) -> set[str]:
    """The names of specs that are not run."""
    return {spec.name for spec in specs if spec.name in answers and not answers[spec.name].run}


def judge(specs: Iterable[Spec], results: Mapping[str, Result], answers: Mapping[str, Answer]) -> tuple[Verdict, ...]:
    """The verdict about each of the specs that were chosen. `answers` are those that concern the cluster."""
    return tuple(Verdict(spec, results.get(spec.name), answers.get(spec.name)) for spec in specs)
