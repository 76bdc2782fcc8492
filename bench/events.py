"""Reads the event log of the engine: when each resource was begun and done.

The times in the log are whole seconds. Therefore each line gets the time at which it was read, on the clock that
systemd and Python share (CLOCK_MONOTONIC).
"""

import contextlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bench.background import Background
from components.resource_names import name_of
from tools.common.tail import Tail

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


class EventLog(Background):
    """A context manager that reads the log at `path` until its block ends. The engine creates the file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.events: list[Event] = []
        self._path = path

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        return super().__enter__()

    def watch(self) -> None:
        """Read each line soon after it is written."""
        with contextlib.closing(Tail(self._path)) as log:
            while True:
                over = self.ended.is_set()
                lines, at = log.lines(), time.monotonic()
                self.events += [_event(json.loads(line), at) for line in lines if line]
                if over:
                    return
                self.ended.wait(_POLL_SECONDS)


def _event(entry: dict[str, Any], at: float) -> Event:
    (kind,) = (key for key in entry if key.endswith("Event"))
    metadata = entry[kind].get("metadata")
    if not isinstance(metadata, dict) or "urn" not in metadata:
        return Event(at, kind)
    return Event(at, kind, metadata["type"], name_of(metadata["urn"]), metadata["op"])
