"""Locks of the file backend: locks of dead processes are removed, other locks stay and are explained."""

import json
import os
import socket
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tools.common.errors import ToolError
from tools.operate import locks

NOW = datetime.now(UTC)


def lock(state: Path, pid: int, *, stack: str = "dev", host: str = "", since: datetime | None = NOW) -> Path:
    """A lock as Pulumi writes it: Go's time, with nanoseconds and a zone."""
    folder = state / ".pulumi/locks/organization/hardway" / stack
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{pid}-{stack}.json"
    content = {"pid": pid, "username": "root", "hostname": host or socket.gethostname()}
    if since:
        content["timestamp"] = f"{since:%Y-%m-%dT%H:%M:%S.%f}789Z"
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def dead() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_the_lock_of_a_dead_process_goes(tmp_path: Path, dead: int, capfd: pytest.CaptureFixture[str]) -> None:
    path = lock(tmp_path, dead)
    locks.release_dead(tmp_path)
    locks.refuse_locked(tmp_path, "dev")
    assert not path.exists()
    said = f"removed the lock that pulumi process {dead} left on stack dev when it was killed"
    assert said in capfd.readouterr().err


def test_a_half_written_lock_goes_unless_it_is_new(tmp_path: Path) -> None:
    """Pulumi was killed before it had renamed the file. A file that is new may be of a process that writes just now."""
    lock(tmp_path, os.getpid()).unlink()
    folder = tmp_path / ".pulumi/locks/organization/hardway/dev"
    old, new = folder / "1.json.17f.tmp", folder / "2.json.180.tmp"
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    locks.release_dead(tmp_path)
    assert [path.name for path in folder.iterdir()] == [new.name]


def test_a_process_that_is_younger_than_the_lock_is_another_one(tmp_path: Path) -> None:
    """After a boot of the host, another process may have the id."""
    path = lock(tmp_path, os.getpid(), since=NOW - timedelta(days=2))
    locks.release_dead(tmp_path)
    assert not path.exists()


def test_a_process_of_which_only_the_exit_code_is_left_is_dead(tmp_path: Path) -> None:
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    path = lock(tmp_path, process.pid)
    locks.release_dead(tmp_path)
    assert not path.exists()
    process.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="process 1 belongs to somebody else")
@pytest.mark.parametrize("since", [NOW, None])
def test_the_lock_of_a_living_process_stays(tmp_path: Path, since: datetime | None) -> None:
    path = lock(tmp_path, 1, since=since)
    locks.release_dead(tmp_path)
    with pytest.raises(
        ToolError, match=r"stack dev is locked.* by root's pulumi, process 1 on this host: wait until it ends"
    ):
        locks.refuse_locked(tmp_path, "dev")
    assert path.exists()


def test_a_lock_of_another_host_stays_and_is_explained(tmp_path: Path, dead: int) -> None:
    path = lock(tmp_path, dead, host="elsewhere")
    locks.release_dead(tmp_path)
    with pytest.raises(ToolError) as refused:
        locks.refuse_locked(tmp_path, "dev")
    assert str(refused.value) == (
        f"stack dev is locked since {NOW:%Y-%m-%d %H:%M:%S} UTC by root's pulumi, process {dead} on elsewhere, "
        f"which cannot be checked from here: wait until it ends; if you know that it is dead, then remove {path} and "
        "run this again"
    )


def test_locks_of_other_stacks_stop_nobody(tmp_path: Path, dead: int) -> None:
    lock(tmp_path, dead, stack="prod", host="elsewhere")
    locks.refuse_locked(tmp_path, "dev")


def test_a_lock_that_cannot_be_read_is_left_to_pulumi(tmp_path: Path, dead: int) -> None:
    path = lock(tmp_path, dead)
    path.write_text('{"pid": 1')
    locks.release_dead(tmp_path)
    locks.refuse_locked(tmp_path, "dev")
    assert path.exists()
