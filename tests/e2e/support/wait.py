"""Waiting for a cluster: always bounded, and with the reason why it was in vain."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(attempt: Callable[[], T], seconds: float, what: str, every: float = 0.5) -> T:
    """The first result of `attempt` that raises no AssertionError.

    Raises AssertionError with the last reason when there is none within `seconds`; at least one attempt is made.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except AssertionError as error:
            if time.monotonic() >= end:
                raise AssertionError(f"{what}: not within {seconds:.0f} s, last: {error}") from error
        time.sleep(every)
