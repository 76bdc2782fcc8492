"""Locks of Pulumi's file backend: whose holder is dead goes, any other is explained in one sentence.

A lock is a file `.pulumi/locks/<organization>/<project>/<stack>/<id>.json` with the holder's process id, user, host and
the time; a killed Pulumi leaves it behind (pkg/backend/diy/lock.go). Only a process of this host can be looked at.
"""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tools.errors import ToolError
from tools.progress import say

_SLACK = timedelta(seconds=5)
"""Times of the kernel and of the lock are rounded differently."""


@dataclass(frozen=True)
class Lock:
    """A lock of a stack; `since` is None when its file does not say."""

    path: Path
    stack: str
    pid: int
    user: str
    host: str
    since: datetime | None

    @property
    def is_dead(self) -> bool:
        """Whether its holder was a process of this host that is gone. False where that cannot be known."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):
            return False  # somebody else's process
        stat = _stat(self.pid)
        if stat and stat[0] in ("Z", "X"):
            return True  # nobody has asked for its exit code yet, as in a container whose first process does not
        # Process ids are given again, after a boot above all: the holder cannot be younger than its lock.
        started = _start(stat)
        return started is not None and self.since is not None and started > self.since + _SLACK

    def sentence(self) -> str:
        """What a person has to know and do."""
        where = "on this host" if self.host == socket.gethostname() else f"on {self.host}, where it cannot be looked at"
        since = f" since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        return (
            f"stack {self.stack} is locked{since} by {self.user}'s pulumi, process {self.pid} {where}: let it end, or, "
            f"once you know that it is dead, remove {self.path} and run this again"
        )


def locks(state: Path) -> Iterator[Lock]:
    """All locks below a state folder. One that cannot be read is left out: Pulumi itself will complain of it."""
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
    """Remove the locks of processes of this host that are gone, as after a power cut or a kill, and say so."""
    for lock in locks(state):
        if lock.is_dead:
            for path in (lock.path, lock.path.with_name(f"{lock.path.name}.attrs")):
                path.unlink(missing_ok=True)
            say(f"removed the lock that pulumi process {lock.pid} left on stack {lock.stack} when it was killed")


def refuse_locked(state: Path, stack: str) -> None:
    """Raise ToolError if somebody may be working on a stack."""
    held = next((lock for lock in locks(state) if lock.stack == stack), None)
    if held:
        raise ToolError(held.sentence())


def _time(text: object) -> datetime | None:
    # Go writes nanoseconds, of which Python reads the first six digits.
    found = datetime.fromisoformat(str(text)) if text else None
    return found.astimezone(UTC) if found else None


def _stat(pid: int) -> list[str]:
    """What the kernel says of a process, from its state on (proc(5)); nothing where there is no /proc."""
    with contextlib.suppress(OSError):
        # The name, in parentheses, may hold anything.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []


def _start(stat: list[str]) -> datetime | None:
    """When a process started, if that is known."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        age = uptime - int(stat[19]) / os.sysconf("SC_CLK_TCK")
        return datetime.now(UTC) - timedelta(seconds=age)
    return None
