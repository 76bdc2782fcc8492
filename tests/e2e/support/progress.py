"""What somebody who watches a suite sees: a line for each step, and a sign of life while one takes long."""

import time
from collections.abc import Callable

Say = Callable[[str], None]

BEAT_SECONDS = 10.0


def stopwatch() -> Callable[[], float]:
    """A function that tells the seconds since now."""
    start = time.monotonic()
    return lambda: time.monotonic() - start


class Reporter:
    """Prints lines with the seconds since its making before them.

    `show` prints one line where somebody sees it.
    """

    def __init__(self, show: Say) -> None:
        self._show = show
        self._elapsed = stopwatch()

    def __call__(self, text: str) -> None:
        """Print one line."""
        self._show(f"[{self._elapsed():6.1f} s] {text}")
