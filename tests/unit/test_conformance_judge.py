"""The judgement of `make conformance`: what passed, what is answered, what somebody has to act on; and the page."""

import pytest

from tools.conformance import table
from tools.conformance.answers import Answer
from tools.conformance.judge import ANSWERED, LEFT_OUT, OPEN, STALE, Verdict, judge, left_out
from tools.conformance.specs import PASSED, Result, Spec

SPEC = Spec("[sig-node] Pods should run [Conformance]", False)
OTHER = Spec("[sig-apps] Job should run [Conformance]", False)
GOOD, BAD = Result("passed", 3.2), Result("failed", 301.0, "Timed out: pod is Pending")
FAILS, NEVER = Answer("It cannot."), Answer("There is no image.", run=False)


def verdict(result: Result | None, answer: Answer | None) -> Verdict:
    """The verdict about one spec."""
    (found,) = judge([SPEC], {SPEC.name: result} if result else {}, {SPEC.name: answer} if answer else {})
    return found


@pytest.mark.parametrize(
    ("result", "answer", "state", "problem"),
    [
        (GOOD, None, PASSED, ""),
        (BAD, None, OPEN, "failed: Timed out: pod is Pending"),
        (Result("panicked", 1), None, OPEN, "panicked: without a message"),
        (None, None, OPEN, "did not run"),
        (BAD, FAILS, ANSWERED, ""),
        (GOOD, FAILS, STALE, "passes, so its answer in the table of answers has to go"),
        (None, FAILS, OPEN, "did not run"),
        (None, NEVER, LEFT_OUT, ""),
        (GOOD, NEVER, STALE, "passes, so its answer in the table of answers has to go"),
    ],
)
def test_states(result: Result | None, answer: Answer | None, state: str, problem: str) -> None:
    found = verdict(result, answer)
    assert (found.state, found.problem) == (state, problem)


def test_an_answer_of_another_spec_is_no_answer() -> None:
    (found,) = judge([SPEC], {SPEC.name: BAD}, {OTHER.name: FAILS})
    assert found.state == OPEN


def test_results_of_specs_that_were_not_chosen_do_not_count() -> None:
    assert [found.spec for found in judge([SPEC], {SPEC.name: GOOD, OTHER.name: BAD}, {})] == [SPEC]


def test_only_specs_that_are_not_run_are_left_out() -> None:
    assert left_out([SPEC, OTHER], {SPEC.name: NEVER, OTHER.name: FAILS}) == {SPEC.name}


def test_the_page() -> None:
    """Rows by SIG, answers together, what is open, and the totals."""
    more = Spec("[sig-node] Pods should stop [Conformance]", False)
    verdicts = judge([SPEC, OTHER, more], {SPEC.name: GOOD, more.name: BAD}, {OTHER.name: NEVER})
    assert list(table.lines(verdicts)) == [
        "SIG     passed  left out      open",
        "apps         0         1         0",
        "node         1         0         1",
        "",
        "Answered by the project:",
        "- There is no image.",
        "    left out: [sig-apps] Job should run [Conformance]",
        "",
        "Somebody has to act:",
        "- [sig-node] Pods should stop [Conformance] failed: Timed out: pod is Pending",
        "",
        "3 specs: 1 passed, 0 answered, 1 left out, 1 open; 1 to act on",
    ]
    assert list(table.listed(verdicts)) == [
        f"passed           3 s  {SPEC.name}",
        f"left out           -  {OTHER.name}",
        f"open           301 s  {more.name}",
    ]
