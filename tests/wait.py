"""Waits, always with a limit, and with the reason if the limit was reached."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(attempt: Callable[[], T], seconds: float, what: str, every: float = 0.5) -> T:
    """Repeat `attempt` until it neither raises AssertionError nor returns False, and return its result.

    Raises AssertionError with the last reason after `seconds`. At least one attempt is made. If the condition is that
    something equals something, then `becomes` says more.
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


def becomes(ask: Callable[[], T], wanted: T, seconds: float, what: str, every: float = 0.5) -> None:
    """Repeat `ask` until its result equals `wanted`. Raises AssertionError with the last result after `seconds`."""

    def equal() -> None:
        found = ask()
        assert found == wanted, f"{found!r} instead of {wanted!r}"

    eventually(equal, seconds, what, every)
