"""The wait of the e2e suites."""

import pytest

from tests.e2e.support.wait import eventually


def test_a_condition_that_does_not_hold_is_waited_for() -> None:
    answers = iter((False, False, True))
    assert eventually(lambda: next(answers), 5, "it holds", every=0) is True


def test_a_condition_that_never_holds_is_an_error() -> None:
    with pytest.raises(AssertionError, match="the sky is green: not within 0 s, last: it is not so"):
        eventually(lambda: False, 0.05, "the sky is green", every=0.01)


def test_other_results_are_returned() -> None:
    assert eventually(lambda: None, 0, "nothing") is None
    assert eventually(lambda: 0, 0, "a number") == 0
