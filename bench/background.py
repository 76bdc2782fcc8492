"""A thread that watches something while a block runs."""

import threading
from types import TracebackType
from typing import Self


class Background:
    """A context manager. Subclasses say in `watch` what the thread does until `ended` is set."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self.watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self._thread.join()

    def watch(self) -> None:
        """Return soon after `ended` is set."""
        raise NotImplementedError
