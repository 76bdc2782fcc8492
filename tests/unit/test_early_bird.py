"""The person who knocks during `make up` notices each moment in which a namespace has no limits."""

from pathlib import Path

import pytest

from tests.e2e.people.early_bird import EarlyBird, Knock

OUT, NO_RIGHT, THERE = (401, "Unauthorized"), (403, 'pods is forbidden: cannot create resource "pods"'), (200, "")
HIDDEN, LEVEL = (403, "resourcequotas is forbidden"), (403, 'violates PodSecurity "restricted:latest"')
STRANGER, BEFORE, AFTER = Knock(OUT, OUT, OUT), Knock(HIDDEN, HIDDEN, NO_RIGHT), Knock(THERE, THERE, LEVEL)
ABSENT = (404, "not found")


def bird(*knocks: Knock) -> EarlyBird:
    return EarlyBird("", "shop", "", Path(), "", [*knocks])


@pytest.mark.parametrize(
    "knocks",
    [
        (STRANGER, BEFORE, AFTER),
        (STRANGER, AFTER, STRANGER, AFTER),
        # The right comes between two requests of one knock.
        (STRANGER, Knock(HIDDEN, THERE, LEVEL), AFTER),
        # Another API server does not know the right yet.
        (STRANGER, Knock(THERE, THERE, NO_RIGHT), AFTER),
        (STRANGER, Knock(THERE, THERE, (403, "error looking up service account shop/default")), AFTER),
    ],
)
def test_limits_before_the_right(knocks: tuple[Knock, ...]) -> None:
    bird(*knocks).assert_limited()


@pytest.mark.parametrize(
    ("knocks", "why"),
    [
        ((STRANGER, Knock(ABSENT, THERE, LEVEL), AFTER), "the right came before the limits"),
        ((STRANGER, Knock(THERE, ABSENT, NO_RIGHT), AFTER), "the right came before the limits"),
        ((STRANGER, Knock(THERE, THERE, (201, "")), AFTER), "an open pod was admitted"),
        ((STRANGER, Knock(THERE, THERE, (403, "exceeded quota")), AFTER), "a right without limits"),
        ((STRANGER, BEFORE), "nobody knocked"),
        ((AFTER,), "nobody knocked"),
        ((), "nobody knocked"),
    ],
)
def test_a_moment_without_limits(knocks: tuple[Knock, ...], why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        bird(*knocks).assert_limited()


def test_a_request_without_an_answer_counts() -> None:
    with pytest.raises(AssertionError, match="timed out"):
        EarlyBird("", "shop", "", Path(), "", [STRANGER, AFTER], [OSError("timed out")]).assert_limited()
