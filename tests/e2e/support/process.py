"""Runs programs: short programs with their output as a value, long programs with a log and progress."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.support.progress import BEAT_SECONDS, Say, stopwatch

_GRACE_SECONDS = 60


@dataclass(frozen=True)
class Answer:
    """Exit code and output of a program that has ended."""

    command: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """Both texts, for messages."""
        return (self.stdout + self.stderr).strip()

    def ok(self) -> str:
        """Standard output. Raises AssertionError with the whole output if the program failed."""
        assert self.code == 0, f"{' '.join(self.command)}\nended with exit code {self.code}:\n{self.text}"
        return self.stdout


@dataclass(frozen=True)
class Run:
    """A long run that has ended: its exit code, seconds, and the file with its output."""

    code: int
    seconds: float
    log: Path

    @property
    def output(self) -> str:
        """The whole output."""
        return self.log.read_text(errors="replace")

    def tail(self, lines: int = 40) -> str:
        """The last lines of the output."""
        return "\n".join(self.output.splitlines()[-lines:])


def ask(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    timeout: float = 60,
) -> Answer:
    """Run a short program to its end. If it takes longer than `timeout` seconds, its code is 124."""
    try:
        done = subprocess.run(
            command, cwd=cwd, env=env, input=stdin.encode(), capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired as error:
        late = f"{_text(error.stderr)}\nno answer within {timeout:.0f} s"
        return Answer(tuple(command), 124, _text(error.stdout), late)
    return Answer(tuple(command), done.returncode, _text(done.stdout), _text(done.stderr))


def run_long(command: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path, say: Say, limit: float) -> Run:
    """Run a long program to its end, at most `limit` seconds, with its output in `log`.

    Prints the last line of the output every ten seconds. If this process is interrupted, then the program is
    interrupted as well, and has time to end in order.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    elapsed = stopwatch()
    try:
        while elapsed() <= limit:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return Run(process.wait(BEAT_SECONDS), elapsed(), log)
            say(f"  {elapsed():.0f} s so far: {_last_line(log)}")
    finally:
        _end(process)
    raise AssertionError(f"not done within {limit:.0f} s; see {log}")


def stop(process: subprocess.Popen[bytes], seconds: float = 20) -> None:
    """End a program, and kill the program if it has not ended after `seconds`."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _text(output: bytes | None) -> str:
    return (output or b"").decode(errors="replace")


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    told = [line for line in lines if line and not line.startswith("@ ")]
    return told[-1][:140] if told else "no output yet"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a running program like Ctrl-C, and kill it if it does not end."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGINT)
    end = time.monotonic() + _GRACE_SECONDS
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.2)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
