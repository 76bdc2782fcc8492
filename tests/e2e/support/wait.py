"""Waits for a cluster, always with a limit, and with the reason if the limit was reached."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(attempt: Callable[[], T], seconds: float, what: str, every: float = 0.5) -> T:
    """Repeat `attempt` until it neither raises AssertionError nor returns False, and return its result.

    Raises AssertionError with the last reason after `seconds`. At least one attempt is made.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            found = attempt()
            # A condition that somebody has written without `assert` would always hold.
            assert found is not False, "it is not so"
            return found
        except AssertionError as error:
            if time.monotonic() >= end:
                raise AssertionError(f"{what}: not within {seconds:.0f} s, last: {error}") from error
        time.sleep(every)
