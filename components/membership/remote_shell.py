"""A shell on a machine that executes one request after the other over one connection. Standard library only."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from tempfile import TemporaryFile
from types import TracebackType

_END = "@end "


class ConnectionLostError(RuntimeError):
    """The shell has ended. `code` is the exit code of the command that ran it, the text is its standard error."""

    def __init__(self, code: int, stderr: str) -> None:
        super().__init__(stderr)
        self.code = code


class RequestError(RuntimeError):
    """A request ended with an exit code other than 0; the text says what was wrong."""


class RemoteShell:
    """A POSIX shell that `command` starts and that reads its standard input: first `text`, then requests.

    `text` has to define `request` as components/node/scripts/cluster.sh does. The shell ends with this object, also if
    the process of this object is killed.
    """

    def __init__(self, command: Sequence[str], text: str) -> None:
        self._stderr = TemporaryFile("w+", errors="replace")  # noqa: SIM115 # closed in __exit__
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            errors="replace",
        )
        self._text = text

    def __enter__(self) -> RemoteShell:
        self._write(self._text)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stderr.close()

    def request(self, *words: str) -> list[str]:
        """Execute a verb with its arguments and return the lines that it printed.

        Raises RequestError, or ConnectionLostError.
        """
        self._write(f"request {shlex.join(words)}\n")
        assert self._process.stdout is not None
        lines: list[str] = []
        for line in self._process.stdout:
            if line.startswith(_END):
                if int(line.removeprefix(_END)) != 0:
                    raise RequestError("\n".join(lines))
                return lines
            lines.append(line.rstrip("\n"))
        raise self._lost()

    def _write(self, text: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(text)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._lost() from None

    def _lost(self) -> ConnectionLostError:
        code = self._process.wait()
        self._stderr.seek(0)
        return ConnectionLostError(code, self._stderr.read())
