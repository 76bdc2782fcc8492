"""Progress of a suite: a line for each step, and further lines while a step takes long."""

import time
from collections.abc import Callable

Say = Callable[[str], None]

BEAT_SECONDS = 10.0


def stopwatch() -> Callable[[], float]:
    """A function that returns the seconds since now."""
    start = time.monotonic()
    return lambda: time.monotonic() - start


class Reporter:
    """Prints lines that begin with the seconds since the reporter was made.

    `show` prints one line.
    """

    def __init__(self, show: Say) -> None:
        self._show = show
        self._elapsed = stopwatch()

    def __call__(self, text: str) -> None:
        """Print one line."""
        self._show(f"[{self._elapsed():6.1f} s] {text}")
