"""What a user sees while something takes long: one line per piece of work, and a sign of life every ten seconds."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.errors import ToolError

HEARTBEAT_SECONDS = 10.0
_SHOWN_LOG_LINES = 30


def say(text: str) -> None:
    """Prints one line about the work; on standard error, because standard output belongs to results."""
    print(text, file=sys.stderr, flush=True)


class Progress:
    """Counts pieces of work: `[3/12] kubelet`, then `[3/12] kubelet: done in 20 s`."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.number = 0
        self.label = ""
        self._started = 0.0

    def start(self, what: str) -> None:
        """Begins the next piece."""
        self.number += 1
        self._started = time.monotonic()
        self.label = f"[{self.number}/{self.total}] {what}"
        say(f"{self.label} ...")

    def beat(self) -> None:
        """Says that the piece is still being worked on."""
        say(f"{self.label}: {time.monotonic() - self._started:.0f} s so far")

    def done(self) -> None:
        """Ends the piece."""
        say(f"{self.label}: done in {time.monotonic() - self._started:.1f} s")


def run_logged(
    command: Sequence[str],
    log: Path,
    progress: Progress,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Runs a long command with its output appended to a log.

    Beats while it runs; ends it when this process is interrupted. Raises ToolError with the end of the log when it
    fails.
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
                    code = process.wait(HEARTBEAT_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    progress.beat()
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise
    if code != 0:
        lines = log.read_text(errors="replace").splitlines()[-_SHOWN_LOG_LINES:]
        raise ToolError(f"{progress.label} failed with exit code {code}; the end of {log}:\n" + "\n".join(lines))
