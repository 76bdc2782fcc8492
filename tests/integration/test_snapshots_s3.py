"""Snapshots in S3, with a real server of S3, a real etcd and a real restic: what works, and each way it fails."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from real_etcd import EtcdCluster, needs_etcd
from snapshot_member import VERSIONS, Member, needs_restic

from tests.e2e.support.long import long
from tests.e2e.support.s3_server import ACCESS_KEY, BUCKET, SECRET, S3Server, versitygw
from tools.operate.snapshots import PLACE_TAKES_NOTHING

pytestmark = [needs_etcd, needs_restic]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a disk of its own needs root")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    """A server with an empty bucket."""
    made = S3Server(versitygw(), tmp_path / "s3").start()
    yield made
    made.close()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[S3Server]:
    """A server whose disk holds a few snapshots."""
    made = S3Server(versitygw(), tmp_path / "s3", mebibytes=8).start()
    yield made
    made.close()


@pytest.fixture
def member(tmp_path: Path, etcd: EtcdCluster) -> Member:
    """A member without snapshots."""
    etcd.ctl("del", "--prefix", "/")
    return Member(tmp_path, etcd)


def place(server: S3Server, **changes: Any) -> dict[str, Any]:
    """`backup.to` of the page."""
    key = {"accessKeyId": ACCESS_KEY, "secretAccessKey": SECRET}
    where = {"kind": "s3", "endpoint": server.url, "bucket": BUCKET, "prefix": "clusters/dev"}
    return where | key | {"ca": server.ca.read_text()} | changes


def do(member: Member, what: str, release: str = "now") -> subprocess.CompletedProcess[str]:
    """Run `make backup` (now) or `make backups` (list) on the member."""
    member.runs(release)
    return member.run(member.root / f"releases/{release}/backup.sh", what)


def fetch(member: Member, snapshot: str = "latest") -> subprocess.CompletedProcess[str]:
    """The first step of a restore."""
    release = member.root / "releases/now"
    (release / "cfg/restore").write_text(f"1 {snapshot}\n")
    (release / "cfg/etcd-restores").write_text("yes\n")
    return member.run(release / "restore.sh", "fetch", "1", snapshot)


def refused(done: subprocess.CompletedProcess[str], *said: str, status: int = 1) -> None:
    """The command failed with one line for the operator, which has these texts and no secret."""
    assert done.returncode == status, done.stdout
    told = [line for line in done.stderr.splitlines() if line.startswith("node: ")]
    assert len(told) == 1, done.stderr
    for text in said:
        assert text in told[0]
    assert SECRET not in done.stdout + done.stderr


def test_a_snapshot_is_taken_read_back_listed_and_fetched(member: Member, server: S3Server) -> None:
    member.lay_out("now", VERSIONS, place(server))
    assert "has no snapshots yet" in do(member, "list").stdout
    member.etcd.ctl("put", "/known", "to the snapshot")
    taken = do(member, "now")
    assert (taken.returncode, "read back" in taken.stdout) == (0, True), taken.stderr
    assert do(member, "list").stdout.split()[1].startswith(member.last[1])
    assert "is verified" in fetch(member).stdout
    assert b"to the snapshot" in (member.work / "restore-1/etcd.db").read_bytes()


@pytest.mark.parametrize("more", [{}, {"region": "us-east-1"}], ids=["region unknown", "region known"])
def test_a_bucket_that_does_not_exist_is_not_made(member: Member, server: S3Server, more: dict[str, str]) -> None:
    """Otherwise restic makes it: a typing error on the page would scatter snapshots over buckets that nobody knows."""
    member.lay_out("now", VERSIONS, place(server, bucket="snapshotz", **more))
    refused(do(member, "now"), f"cannot use s3:{server.url}/snapshotz/clusters/dev: ", "bucket does not exist")
    refused(do(member, "list"), "cannot list the snapshots", "bucket does not exist")
    refused(fetch(member), "cannot list the snapshots", "does not exist", "Nothing was changed")
    assert [path.name for path in server.buckets.iterdir()] == [BUCKET]
    assert member.last == []


def test_a_bucket_that_does_not_exist_refuses_an_upgrade(member: Member, server: S3Server) -> None:
    member.lay_out("now", ("3.7.2", "1.36.4"), place(server))
    member.lay_out("new", VERSIONS, place(server, bucket="snapshotz"))
    member.runs("now")
    done = member.before_upgrade("3.7", "1.37")
    said = "does not answer: unable to open config file: Stat: The specified bucket does not exist"
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"secretAccessKey": "another"}, "signature"),
        ({"accessKeyId": "nobody"}, "access key ID"),
    ],
    ids=["another secret", "another name"],
)
def test_wrong_credentials(member: Member, server: S3Server, wrong: dict[str, str], said: str) -> None:
    member.lay_out("now", VERSIONS, place(server, **wrong))
    refused(do(member, "now"), "cannot use s3:", said)
    refused(do(member, "list"), "cannot list the snapshots", said)
    refused(fetch(member), said, "Nothing was changed")


def test_a_server_with_another_certificate(member: Member, server: S3Server, tmp_path: Path) -> None:
    """Nobody gets the access key who has not the certificate of the page."""
    other = S3Server(server.program, tmp_path / "other").start()
    other.close()
    member.lay_out("now", VERSIONS, place(server, ca=other.ca.read_text()))
    refused(do(member, "list"), "cannot list the snapshots", "x509: ")


def test_the_place_of_another_cluster(member: Member, server: S3Server) -> None:
    """Two pages with the same bucket and prefix: the second cluster takes no snapshot, and those of the first stay."""
    member.lay_out("now", VERSIONS, place(server))
    assert do(member, "now").returncode == 0
    known = do(member, "list").stdout
    member.lay_out("other", VERSIONS, place(server))
    (member.root / "releases/other/ssl/backup/password").write_text("of another cluster\n")
    refused(do(member, "now", "other"), "wrong password", "each cluster needs a prefix or a path of its own")
    refused(do(member, "list", "other"), "wrong password")
    assert do(member, "list").stdout == known


@pytest.mark.parametrize("inner", ["clusters/dev/b", *map(long, ("clusters/dev/snapshots", "clusters/dev/data"))])
def test_a_prefix_inside_of_another_prefix(member: Member, server: S3Server, inner: str) -> None:
    """Neither cluster sees or removes what the other has, also if the name is one of restic's own folders."""
    few = {"last": 1, "hourly": 0, "daily": 0, "weekly": 0}
    member.lay_out("now", VERSIONS, place(server), keep=few)
    member.lay_out("inner", VERSIONS, place(server, prefix=inner), keep=few)
    (member.root / "releases/inner/ssl/backup/password").write_text("of another cluster\n")
    for release in ("now", "inner", "now", "inner", "now"):
        done = do(member, "now", release)
        assert (done.returncode, "read back" in done.stdout, done.stderr) == (0, True, "")
    assert [len(do(member, "list", release).stdout.splitlines()) for release in ("now", "inner")] == [1, 1]


@needs_root
@pytest.mark.long
def test_a_full_disk_of_the_bucket(member: Member, small: S3Server) -> None:
    """The error says so, older snapshots stay readable, and a page that keeps fewer snapshots makes room.

    restic tries for most of a minute before it gives up.
    """
    member.lay_out("now", VERSIONS, place(small))
    for _ in range(3):
        other_data(member)
        assert do(member, "now").returncode == 0
    known = do(member, "list").stdout
    assert len(known.splitlines()) == 3
    room = int(small.on_disk("df --output=avail --block-size=1 . | tail -n 1"))
    small.on_disk(f"head -c {room - 100_000} /dev/urandom >filler")
    other_data(member)
    full = PLACE_TAKES_NOTHING
    refused(do(member, "now"), "does not take the snapshot", "No space left on device", status=full)
    assert member.last == [], "etcd knows of no new snapshot"
    assert do(member, "list").stdout == known
    assert "is verified" in fetch(member).stdout
    member.lay_out("few", VERSIONS, place(small), keep={"last": 1, "hourly": 0, "daily": 0, "weekly": 0})
    refused(do(member, "now", "few"), "No space left on device", status=full)
    done = do(member, "now", "few")
    assert done.returncode == 0, done.stderr
    (line,) = do(member, "list", "few").stdout.splitlines()
    assert line not in known


def other_data(member: Member) -> None:
    """Let etcd have nothing but 800 kB of new data, so that a snapshot shares nothing with the one before."""
    member.etcd.empty()
    member.etcd.ctl("put", "/big", text=os.urandom(400_000).hex())
