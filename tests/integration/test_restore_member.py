"""The exchange of etcd's data on a member (`restore.sh member`): a real etcd starts with a real snapshot."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from clusters import cluster
from real_etcd import EtcdCluster, needs_etcd, program
from snapshot_member import VERSIONS, Member, needs_restic

pytestmark = [needs_etcd, needs_restic]
OLD_WAL = "0000000000000007-000000000001a2b3.wal"
"""The oldest file of a log whose beginning etcd has removed."""
FIRST_WAL = "0000000000000000-0000000000000000.wal"
# Counts the calls of some programs, and kills the script after the call whose number is in $KILL_AT.
KILLS = """\
if [ "${KILL_AT:-0}" -gt 0 ]; then
    echo x >>"$CALLS.count"
    REAL "$@"
    result=$?
    [ "$(wc -l <"$CALLS.count")" -ne "$KILL_AT" ] || kill -9 0
    exit "$result"
fi
exec REAL "$@"
"""


class Restoring(Member):
    """A member with old data whose release has restore 1, and that has fetched the snapshot."""

    def __init__(self, folder: Path, etcd: EtcdCluster, separate: bool, restores: bool = True) -> None:
        super().__init__(folder, etcd)
        self.lay_out("now", VERSIONS)
        self.runs("now")
        self.release_now = self.root / "releases/now"
        self.data, self.wal = folder / "data", folder / "wal" if separate else folder / "data/member/wal"
        change = {"etcd": {"walDir": "/var/lib/etcd-wal"}} if separate else {}
        initial = next(f for f in cluster("stacked", change).part("cp-1").files if f.path == "cfg/etcd-initial.env")
        text = str(initial.content).replace("/var/lib/etcd-wal", str(self.wal)).replace("/var/lib/etcd", str(self.data))
        (self.release_now / "cfg/etcd-initial.env").write_text(text)
        (self.release_now / "cfg/restore").write_text("1 latest\n")
        (self.release_now / "cfg/etcd-restores").write_text("yes\n" if restores else "no\n")
        for name in ("mv", "rm", "etcdutl"):
            real = str(program(name)) if name == "etcdutl" else f"/bin/{name}"
            at = self.root / "bin" if name == "etcdutl" else self.programs
            (at / name).unlink(missing_ok=True)
            self.program(name, KILLS.replace("REAL", real), at)
        self.succeeds("backup.sh", "now")
        self.succeeds("restore.sh", "fetch", "1", "latest")
        self.fetched = folder / "fetched"
        shutil.copytree(self.work, self.fetched)

    def succeeds(self, script: str, *arguments: str) -> None:
        """Run a script of the release."""
        done = self.run(self.release_now / script, *arguments)
        assert done.returncode == 0, done.stderr

    def begin_anew(self) -> None:
        """The member as before the exchange: old data, a fetched snapshot."""
        for path in (self.data, self.wal, self.work):
            shutil.rmtree(path, ignore_errors=True)
        (self.root / "etcd-restored").unlink(missing_ok=True)
        shutil.copytree(self.fetched, self.work)
        (self.data / "member/snap").mkdir(parents=True)
        (self.data / "member/snap/db").write_text("old")
        self.wal.mkdir(parents=True, exist_ok=True)
        (self.wal / OLD_WAL).write_text("old")
        (self.data / "before-restore-0/member").mkdir(parents=True)

    def exchange(self, kill_at: int = 0) -> int:
        """Run `restore.sh member`, and kill it after a number of calls. Returns the exit code."""
        Path(f"{self.calls_file}.count").unlink(missing_ok=True)
        command = ["setsid", "--wait", "sh", str(self.release_now / "restore.sh"), "member"]
        return self.execute(command, KILL_AT=str(kill_at)).returncode

    def kept(self) -> dict[str, str]:
        """Path and text of each file of the data of before."""
        folders = {self.data / "before-restore-1", self.wal / "before-restore-1"}
        files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        return {path.name: path.read_text(errors="replace") for path in files}

    def left(self) -> list[str]:
        """What should not be there any more."""
        found = [*self.data.glob("restoring*"), *self.wal.glob("restoring*"), *self.work.glob("restore-*")]
        found += [*self.data.glob("before-restore-0"), *self.data.glob("*.new"), *self.wal.glob("*.new")]
        return [path.name for path in found]


@pytest.fixture(params=[False, True], ids=["one directory", "walDir"])
def member(request: pytest.FixtureRequest, tmp_path: Path, etcd: EtcdCluster) -> Restoring:
    """The member that restores."""
    etcd.ctl("put", "/in-the-snapshot", "yes")
    return Restoring(tmp_path, etcd, request.param)


def test_etcd_starts_with_the_snapshot_and_the_data_of_before_stays(member: Restoring) -> None:
    member.begin_anew()
    assert member.exchange() == 0
    assert member.kept() == {"db": "old", OLD_WAL: "old"}
    assert member.left() == []
    assert [path.name for path in member.wal.glob("*.wal")] == [FIRST_WAL]
    with started(member) as client:
        assert ask(client, "get", "--print-value-only", "/in-the-snapshot") == "yes\n"
        # Writes go on far above the revision of the snapshot.
        assert int(ask(client, "put", "/after", "x", "--write-out=fields").split('"Revision" : ')[1].split()[0]) > 10**9
    # The unit starts again: nothing happens twice.
    before = sorted(path for path in member.data.rglob("*"))
    assert member.exchange() == 0
    assert sorted(path for path in member.data.rglob("*")) == before


def test_killed_after_any_step_and_started_again(member: Restoring) -> None:
    """After any call of mv, rm or etcdutl: the next start ends like any other, and mixes no old data with new."""
    kills = 0
    while True:
        member.begin_anew()
        code = member.exchange(kills + 1)
        if code == 0:
            break
        kills += 1
        assert member.exchange() == 0
        where = f"killed after call {kills}"
        assert member.kept() == {"db": "old", OLD_WAL: "old"}, where
        assert member.left() == [], where
        assert [path.name for path in member.wal.glob("*.wal")] == [FIRST_WAL], where
        assert (member.root / "etcd-restored").read_text() == "1\n", where
    assert kills >= 6, "fewer steps than the script has"
    with started(member) as client:
        assert ask(client, "get", "--print-value-only", "/in-the-snapshot") == "yes\n"


@pytest.mark.parametrize("separate", [False, True], ids=["one directory", "walDir"])
def test_a_member_that_joins_keeps_its_data_aside(tmp_path: Path, etcd: EtcdCluster, separate: bool) -> None:
    """It has to start without any data, or etcd would go on with the old cluster."""
    joins = Restoring(tmp_path, etcd, separate, restores=False)
    shutil.copytree(joins.work, joins.fetched, dirs_exist_ok=True)
    kills = 0
    while True:
        joins.begin_anew()
        killed = joins.exchange(kills + 1) != 0
        if killed:
            kills += 1
            assert joins.exchange() == 0
        assert joins.kept() == {"db": "old", OLD_WAL: "old"}
        assert not (joins.data / "member").exists()
        assert not list(joins.wal.glob("*.wal"))
        if not killed:
            break
    assert kills >= 2


@contextmanager
def started(member: Restoring) -> Iterator[str]:
    """A real etcd with the data of the member. Yields its URL for clients."""
    client, peer = (f"http://127.0.0.1:{_free_port()}" for _ in range(2))
    options = {"data-dir": member.data, "wal-dir": member.wal, "name": "cp-1", "unsafe-no-fsync": "true"}
    options |= {"listen-client-urls": client, "advertise-client-urls": client, "listen-peer-urls": peer}
    log = member.folder / "etcd.log"
    with log.open("wb") as output:
        command = [str(program("etcd")), *(f"--{name}={value}" for name, value in options.items())]
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        until = time.monotonic() + 20
        while subprocess.run(
            [_ctl(), f"--endpoints={client}", "get", "x"], capture_output=True, check=False
        ).returncode:
            assert time.monotonic() < until, log.read_text()[-2000:]
        yield client
    finally:
        process.kill()
        process.wait()


def ask(client: str, *words: str) -> str:
    """The answer of etcd."""
    return subprocess.run([_ctl(), f"--endpoints={client}", *words], capture_output=True, text=True, check=True).stdout


def _ctl() -> str:
    return str(program("etcdctl"))


def _free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port: int = chosen.getsockname()[1]
        return port
