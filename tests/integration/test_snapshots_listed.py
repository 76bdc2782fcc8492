"""`make backups` on a member, with a real etcd and a real restic."""

from pathlib import Path

import pytest
from real_etcd import EtcdCluster, needs_etcd
from snapshot_member import Member, needs_restic

pytestmark = [needs_etcd, needs_restic]


@pytest.fixture
def member(tmp_path: Path, etcd: EtcdCluster) -> Member:
    """A member that has taken no snapshot yet."""
    made = Member(tmp_path, etcd)
    made.lay_out("now", ("3.7.2", "1.37.1"))
    made.runs("now")
    return made


def test_a_place_without_snapshots_is_no_error(member: Member) -> None:
    """As between the first `up` with `hardway:backup` and the first snapshot."""
    done = member.run(member.root / "current/backup.sh", "list")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"node: {member.place} has no snapshots yet\n"


def test_each_snapshot_is_a_line(member: Member) -> None:
    for _ in range(2):
        assert member.run(member.root / "current/backup.sh", "now").returncode == 0
    done = member.run(member.root / "current/backup.sh", "list")
    first, second = (line.split() for line in done.stdout.splitlines())
    assert first[0] <= second[0] and member.last[1][:8] in (first[1][:8], second[1][:8])


def test_a_place_that_cannot_be_read_is_an_error(member: Member) -> None:
    member.place.write_text("a file in the place of a directory")
    done = member.run(member.root / "current/backup.sh", "list")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"cannot list the snapshots of {member.place}: " in done.stderr
