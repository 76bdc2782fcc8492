"""Progress of long work for a user: one line for each piece of work, and one more line every ten seconds."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tools.common.errors import ToolError

HEARTBEAT_SECONDS = 10.0
_GLANCE_SECONDS = 1.0
_SHOWN_LOG_LINES = 30


def say(text: str) -> None:
    """Prints one line about the work, on standard error, because standard output is for results."""
    print(text, file=sys.stderr, flush=True)


class Progress:
    """One piece of work: prints `[3/12] kubelet ...` at its beginning and `[3/12] kubelet: done in 20 s` at its end."""

    def __init__(self, label: str, stopped: threading.Event | None = None) -> None:
        """Pieces that are made at the same time share the event `stopped`, which ends all of them."""
        self.label = label
        self.stopped = stopped or threading.Event()
        self.detail = ""
        """How far the work is, such as `12 of 68 MB`. Empty: only the time is printed."""
        self._started = self._heard = time.monotonic()

    def __enter__(self) -> Self:
        self._started = self._heard = time.monotonic()
        say(f"{self.label} ...")
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            say(f"{self.label}: done in {time.monotonic() - self._started:.1f} s{self._and_detail()}")

    def beat(self) -> None:
        """Prints every ten seconds that the work continues."""
        now = time.monotonic()
        if now - self._heard >= HEARTBEAT_SECONDS:
            self._heard = now
            say(f"{self.label}: {now - self._started:.0f} s so far{self._and_detail()}")

    def _and_detail(self) -> str:
        return f", {self.detail}" if self.detail else ""


def run_logged(
    command: Sequence[str],
    log: Path,
    progress: Progress,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Runs a long command and appends its output to a log.

    Prints progress while the command runs. Ends the command if this process is interrupted or if `progress.stopped` is
    set. Raises ToolError if the command fails (with the end of the log) or was stopped.
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
