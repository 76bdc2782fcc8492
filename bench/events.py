"""Reads the event log of the engine: when each resource was begun and done.

The times in the log are whole seconds. Therefore each line gets the time at which it was read, on the clock that
systemd and Python share (CLOCK_MONOTONIC).
"""

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from components.resource_names import name_of

_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Event:
    """One line of the log. `kind` is the field of the event, such as `resOutputsEvent`; `at` is in seconds.

    `op` is the operation of the engine on the resource: `create`, `update`, `same`.
    """

    at: float
    kind: str
    type: str = ""
    name: str = ""
    op: str = ""


class EventLog:
    """A context manager that reads the log at `path` until its block ends. The engine creates the file."""

    def __init__(self, path: Path) -> None:
        self.events: list[Event] = []
        self._path = path
        self._ended = threading.Event()
        self._reader = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._reader.join()

    def _follow(self) -> None:
        while not self._path.exists():
            if self._ended.wait(_POLL_SECONDS):
                return
        begun = ""
        with self._path.open() as log:
            while True:
                over = self._ended.is_set()
                begun += log.read()
                at = time.monotonic()
                *lines, begun = begun.split("\n")
                self.events += [_event(json.loads(line), at) for line in lines if line]
                if over:
                    return
                self._ended.wait(_POLL_SECONDS)


def _event(entry: dict[str, Any], at: float) -> Event:
    (kind,) = (key for key in entry if key.endswith("Event"))
    metadata = entry[kind].get("metadata")
    if not isinstance(metadata, dict) or "urn" not in metadata:
        return Event(at, kind)
    return Event(at, kind, metadata["type"], name_of(metadata["urn"]), metadata["op"])
