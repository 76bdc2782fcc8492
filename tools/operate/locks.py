"""Locks of Pulumi's file backend: removes locks of dead processes, and explains other locks in one sentence.

A lock is a file `.pulumi/locks/<organization>/<project>/<stack>/<id>.json` with the process id, user and host of its
holder, and the time. A killed Pulumi leaves its lock (pkg/backend/diy/lock.go). Only processes of this host can be
checked.
"""

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tools.common.errors import ToolError
from tools.common.progress import say

_SLACK = timedelta(seconds=5)
"""Allowed difference: the kernel and the lock round times differently."""
_WRITING_SECONDS = 1
"""A process that lives writes a lock, some hundred bytes, in less time."""


@dataclass(frozen=True)
class Lock:
    """A lock of a stack. `since` is None if the file does not contain the time."""

    path: Path
    stack: str
    pid: int
    user: str
    host: str
    since: datetime | None

    @property
    def is_dead(self) -> bool:
        """Whether the holder was a process of this host that has ended. False if this is unknown."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):
            return False  # a process of another user
        stat = _stat(self.pid)
        if stat and stat[0] in ("Z", "X"):
            return True  # It has ended, but its parent has not read the exit code (in containers).
        # Process ids are used again, mostly after a boot. A process that is younger than the lock is not its holder.
        started = _start(stat)
        return started is not None and self.since is not None and started > self.since + _SLACK

    def sentence(self) -> str:
        """Who holds the lock, and what a person has to do."""
        where = (
            "on this host"
            if self.host == socket.gethostname()
            else f"on {self.host}, which cannot be checked from here"
        )
        since = f" since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        return (
            f"stack {self.stack} is locked{since} by {self.user}'s pulumi, process {self.pid} {where}: wait until "
            f"it ends; if you know that it is dead, then remove {self.path} and run this again"
        )


def locks(state: Path) -> Iterator[Lock]:
    """All locks in a state folder. A lock that cannot be read is left out: Pulumi itself reports it."""
    for path in sorted(state.glob(".pulumi/locks/**/*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            content = json.loads(path.read_text())
            yield Lock(
                path,
                path.parent.name,
                int(content["pid"]),
                str(content.get("username", "somebody")),
                str(content["hostname"]),
                _time(content.get("timestamp")),
            )


def release_dead(state: Path) -> None:
    """Remove the locks of processes of this host that have ended (a power cut, a kill), and say so."""
    _remove_half_written(state)
    for lock in locks(state):
        if lock.is_dead:
            for path in (lock.path, lock.path.with_name(f"{lock.path.name}.attrs")):
                path.unlink(missing_ok=True)
            say(f"removed the lock that pulumi process {lock.pid} left on stack {lock.stack} when it was killed")


def _remove_half_written(state: Path) -> None:
    """Remove locks that a killed Pulumi was writing: to Pulumi, every file in the folder is a lock.

    The library of the file backend writes a file under a temporary name first (gocloud.dev/blob/fileblob, createTemp).
    """
    for path in state.glob(".pulumi/locks/**/*.tmp"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _WRITING_SECONDS:
                path.unlink()


def refuse_locked(state: Path, stack: str) -> None:
    """Raise ToolError if another process may be at work on the stack."""
    held = next((lock for lock in locks(state) if lock.stack == stack), None)
    if held:
        raise ToolError(held.sentence())


def _time(text: object) -> datetime | None:
    # Go writes nanoseconds. Python reads the first six digits.
    found = datetime.fromisoformat(str(text)) if text else None
    return found.astimezone(UTC) if found else None


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on (proc(5)). Empty if there is no /proc."""
    with contextlib.suppress(OSError):
        # The name of the process is in parentheses and may contain any character.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []


def _start(stat: list[str]) -> datetime | None:
    """When a process started, or None if unknown."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        age = uptime - int(stat[19]) / os.sysconf("SC_CLK_TCK")
        return datetime.now(UTC) - timedelta(seconds=age)
    return None
