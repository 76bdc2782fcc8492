"""What the machine that restores refuses of a snapshot that it has fetched, with a real etcd and a real restic."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from real_etcd import EtcdCluster, needs_etcd
from snapshot_member import Member, needs_restic

from components.config.backup import name_of_file

pytestmark = [needs_etcd, needs_restic]


@pytest.fixture
def member(tmp_path: Path, etcd: EtcdCluster) -> Member:
    """A member that has taken a snapshot."""
    return Member.with_snapshot(tmp_path, etcd)


def fetch(member: Member, snapshot: str) -> subprocess.CompletedProcess[str]:
    """The first step of restore 1."""
    release = member.root / "releases/now"
    (release / "cfg/restore").write_text(f"1 {snapshot}\n")
    (release / "cfg/etcd-restores").write_text("yes\n")
    return member.run(release / "restore.sh", "fetch", "1", snapshot)


def sent(member: Member, **changes: str) -> str:
    """The newest snapshot as a file that was sent to the machine, with other values in its metadata."""
    metadata = dict(line.split(" ", 1) for line in member.metadata().splitlines())
    name = name_of_file(metadata["sha256"])
    (member.work / name).mkdir()
    (member.work / name / "etcd.db").write_bytes(member.dump(member.last[1], f"{member.work}/taking/etcd.db"))
    text = "".join(f"{key} {value}\n" for key, value in {**metadata, **changes}.items())
    (member.work / name / "metadata").write_text(text)
    return name


def refused(done: subprocess.CompletedProcess[str], member: Member, said: str) -> None:
    """One line, and no snapshot that a later step would take for a verified one."""
    assert done.returncode == 1, done.stdout
    (line,) = done.stderr.splitlines()
    assert said in line and line.endswith("Nothing was changed"), line
    assert not (member.work / "restore-1").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"etcd": "3.8.0"}, "is of etcd 3.8.0, and the page has 3.7.2"),
        (
            {"etcd": "3.5.21"},
            "is of etcd 3.5.21, and the page has 3.7.2: it has to be the same minor version, or the next",
        ),
        ({"kubernetes": "1.38.0"}, "is of Kubernetes 1.38.0, and the page has 1.37.1"),
        ({"kubernetes": "1.35.4"}, "is of Kubernetes 1.35.4, and the page has 1.37.1"),
        ({"kubernetes": ""}, "is of Kubernetes without a version, and the page has 1.37.1"),
        ({"keys": "1,7"}, "need generation 7 of the key encryption; the page trusts 1"),
        ({"cluster": "another"}, "is of another cluster (another, this is cluster-of-the-test)"),
        ({"sha256": "0" * 64}, "is damaged: its sha256 differs"),
    ],
    ids=[
        "newer etcd",
        "older etcd",
        "newer Kubernetes",
        "older Kubernetes",
        "no version",
        "key that was given up",
        "another cluster",
        "damaged",
    ],
)
def test_a_snapshot_that_does_not_fit(member: Member, changes: dict[str, str], said: str) -> None:
    name = sent(member, **changes)
    refused(fetch(member, name), member, said)


@pytest.mark.parametrize("changes", [{"etcd": "3.6.5"}, {"kubernetes": "1.36.4"}], ids=str)
def test_a_snapshot_of_the_minor_version_before(member: Member, changes: dict[str, str]) -> None:
    """As the one that was taken before an upgrade."""
    assert "is verified" in fetch(member, sent(member, **changes)).stdout


def test_other_authorities_are_told(member: Member) -> None:
    """A restore goes on: a rotation of authorities needs no snapshot of its own."""
    done = fetch(member, sent(member, pki="0" * 64))
    assert "is verified" in done.stdout and "the authorities are others than those of the snapshot" in done.stdout


def test_a_database_that_etcd_cannot_read(member: Member) -> None:
    """Its digest is right: it was damaged before it was taken."""
    name = sent(member)
    database = member.work / name / "etcd.db"
    database.write_bytes(b"no database")
    digest = hashlib.sha256(b"no database").hexdigest()
    text = (member.work / name / "metadata").read_text()
    old = next(line for line in text.splitlines() if line.startswith("sha256 "))
    (member.work / name / "metadata").write_text(text.replace(old, f"sha256 {digest}"))
    refused(fetch(member, name), member, f"the snapshot {name} is damaged: ")


def test_something_else_in_the_place(member: Member) -> None:
    """Somebody has used the repository for other files, as the same host."""
    (member.folder / "notes").write_text("of somebody")
    secret = {"RESTIC_PASSWORD": "a password", "RESTIC_REPOSITORY": str(member.place), "PATH": os.environ["PATH"]}
    command = ["restic", "--no-cache", "backup", "--host", "cluster-of-the-test", str(member.folder / "notes")]
    subprocess.run(command, env=secret, capture_output=True, check=True)
    refused(fetch(member, "latest"), member, "is no snapshot of etcd that hardway took")


def test_data_in_the_place_that_is_damaged(member: Member) -> None:
    for path in (member.place / "data").rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(b"\0" * path.stat().st_size)
    refused(fetch(member, "latest"), member, "cannot fetch the snapshot")


@pytest.mark.parametrize(
    ("snapshot", "said"),
    [
        ("2020-01-01T00:00:00Z", "has no such snapshot of this cluster: 2020-01-01T00:00:00Z; it has 20"),
        ("0123456789abcdef", "cannot fetch the snapshot 0123456789abcdef of "),
        ("file-0123456789abcdef", "this machine does not have the snapshot file-0123456789abcdef"),
    ],
    ids=["before the first", "unknown id", "file that was not sent"],
)
def test_a_snapshot_that_is_not_there(member: Member, snapshot: str, said: str) -> None:
    refused(fetch(member, snapshot), member, said)


def test_a_place_that_is_gone(member: Member) -> None:
    member.place.rename(member.folder / "away")
    refused(fetch(member, "latest"), member, f"cannot list the snapshots of {member.place}: ")
