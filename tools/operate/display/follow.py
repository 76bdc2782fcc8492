"""Follows the event log and the output of Pulumi while Pulumi runs, and prints what a person needs.

Pulumi writes its output into a file, and not into a pipe: if somebody kills this process, Pulumi can still end its
work in order.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TextIO

from tools.common.errors import ToolError
from tools.common.progress import say
from tools.common.tail import Tail
from tools.operate.display.events import read
from tools.operate.display.lines import Plan, Progress, Shown
from tools.operate.display.output import Kept

_POLL_SECONDS = 0.1
_VARIABLE = "HARDWAY_SHOW"
# Who gives one of these options wants to see what Pulumi itself prints.
_OF_PULUMI = ("--diff", "--json", "--debug", "--event-log", "--show-", "--logtostderr", "--verbose", "-d", "-v", "-j")


class Way(StrEnum):
    """How a run is shown. The values are those of HARDWAY_SHOW."""

    PROGRESS = "progress"
    """A line for each phase and node, and lines that say what is waited for."""
    QUIET = "quiet"
    """A line for each phase at the end, and a line each minute."""
    ALL = "all"
    """All that Pulumi prints."""


def way(arguments: Sequence[str] = ()) -> Way:
    """How a run with these arguments is shown. Raises ToolError if HARDWAY_SHOW has a value that is not allowed."""
    if any(argument.startswith(_OF_PULUMI) for argument in arguments):
        return Way.ALL
    wanted = os.environ.get(_VARIABLE) or (Way.QUIET if os.environ.get("CI") else Way.PROGRESS)
    if wanted not in list(Way):
        raise ToolError(f"{_VARIABLE}: {wanted!r} is not allowed; allowed: {', '.join(Way)}")
    return Way(wanted)


def plan() -> Shown:
    """What a preview shows."""
    return Plan(time.monotonic())


def progress(quiet: bool) -> Shown:
    """What a run that changes something shows."""
    return Progress(time.monotonic(), quiet)


@contextlib.contextmanager
def following(events: Path, output: Path, shown: Shown) -> Iterator[TextIO]:
    """The file for Pulumi's output. Prints until the body ends, and then what is left in both files."""
    ended = threading.Event()
    with output.open("w") as written:
        output.chmod(0o600)
        reader = threading.Thread(target=_follow, args=(events, output, shown, ended), daemon=True)
        reader.start()
        try:
            yield written
        finally:
            ended.set()
            reader.join()


def _follow(events: Path, output: Path, shown: Shown, ended: threading.Event) -> None:
    kept = Kept()
    with output.open(errors="replace") as told, contextlib.closing(Tail(events)) as log:
        while True:
            over = ended.is_set()
            now = time.monotonic()
            for line in log.lines():
                if (event := read(line)) is not None:
                    _say(shown.feed(event, now))
            _say(shown.beat(now))
            _print(kept.feed(told.read()))
            if over:
                _print(kept.end())
                _say(shown.end(now))
                return
            ended.wait(_POLL_SECONDS)


def _say(lines: list[str]) -> None:
    for line in lines:
        say(line)


def _print(lines: list[str]) -> None:
    for line in lines:
        print(line, flush=True)
