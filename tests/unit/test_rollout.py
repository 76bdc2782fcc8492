"""How many workers change at the same time."""

import pytest

from components.config.rollout import Rollout


@pytest.mark.parametrize(
    ("written", "workers", "at_once"),
    [
        (1, 500, 1),
        (3, 2, 3),
        ("10%", 500, 50),
        ("10%", 19, 1),
        ("1%", 3, 1),
        ("50%", 5, 2),
        ("100%", 7, 7),
        ("1%", 0, 1),
    ],
)
def test_a_number_or_a_per_cent_rounded_down_and_one_at_least(written: int | str, workers: int, at_once: int) -> None:
    assert Rollout.model_validate({"maxUnavailable": written}).at_once(workers) == at_once
