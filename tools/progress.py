"""What a user sees while something takes long: one line per piece of work, and a sign of life every ten seconds."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tools.errors import ToolError

HEARTBEAT_SECONDS = 10.0
_GLANCE_SECONDS = 1.0
_SHOWN_LOG_LINES = 30


def say(text: str) -> None:
    """Prints one line about the work; on standard error, because standard output belongs to results."""
    print(text, file=sys.stderr, flush=True)


class Progress:
    """One piece of work: `[3/12] kubelet ...` when it is entered, `[3/12] kubelet: done in 20 s` when it is left."""

    def __init__(self, label: str, stopped: threading.Event | None = None) -> None:
        """Work with others has an event that ends all of it."""
        self.label = label
        self.stopped = stopped or threading.Event()
        self._started = self._heard = time.monotonic()

    def __enter__(self) -> Self:
        self._started = self._heard = time.monotonic()
        say(f"{self.label} ...")
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            say(f"{self.label}: done in {time.monotonic() - self._started:.1f} s")

    def beat(self) -> None:
        """Says every ten seconds that the piece is still being worked on."""
        now = time.monotonic()
        if now - self._heard >= HEARTBEAT_SECONDS:
            self._heard = now
            say(f"{self.label}: {now - self._started:.0f} s so far")


def run_logged(
    command: Sequence[str],
    log: Path,
    progress: Progress,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Runs a long command with its output appended to a log.

    Beats while it runs; ends it when this process is interrupted, or the work that it is a part of is stopped. Raises
    ToolError, with the end of the log when the command fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as output:
        output.write(f"$ {' '.join(command)}\n")
        output.flush()
        process = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            while True:
                try:
                    code = process.wait(_GLANCE_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    if progress.stopped.is_set():
                        raise ToolError(f"{progress.label} was stopped") from None
                    progress.beat()
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise
    if code != 0:
        lines = log.read_text(errors="replace").splitlines()[-_SHOWN_LOG_LINES:]
        raise ToolError(f"{progress.label} failed with exit code {code}; the end of {log}:\n" + "\n".join(lines))
