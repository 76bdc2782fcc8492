"""The waits of tests."""

import pytest

from tests.wait import becomes, eventually


def test_a_condition_that_does_not_hold_is_waited_for() -> None:
    answers = iter((False, False, True))
    assert eventually(lambda: next(answers), 5, "it holds", every=0) is True


def test_a_condition_that_never_holds_is_an_error() -> None:
    with pytest.raises(AssertionError, match="the sky is green: not within 0 s, last: it is not so"):
        eventually(lambda: False, 0.05, "the sky is green", every=0.01)


def test_other_results_are_returned() -> None:
    assert eventually(lambda: None, 0, "nothing") is None
    assert eventually(lambda: 0, 0, "a number") == 0


def test_the_last_result_is_told() -> None:
    answers = iter((["disk"], ["disk", "clock"]))
    with pytest.raises(AssertionError, match=r"act: not within 0 s, last: \['disk', 'clock'\] instead of \[\]"):
        becomes(lambda: next(answers, ["disk", "clock"]), [], 0.05, "nobody has to act", every=0.01)
    becomes(lambda: 3, 3, 0, "a number")
