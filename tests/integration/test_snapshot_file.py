"""A snapshot that is a file here: what is accepted, and its way to the machine that restores."""

import hashlib
import io
import shlex
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from real_etcd import EtcdCluster, needs_etcd
from snapshot_member import Member, needs_restic

from components.config.backup import is_snapshot
from tools.common.errors import ToolError
from tools.operate.snapshot_file import read

METADATA = "format 1\ncluster c\nsha256 {}\n"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The SHA-256 of nothing."""


@pytest.fixture
def member(tmp_path: Path, etcd: EtcdCluster) -> Member:
    """A member that has taken a snapshot, and runs a release with a place of snapshots that is gone."""
    return Member.with_snapshot(tmp_path, etcd)


def archive(member: Member) -> Path:
    """The newest snapshot as a person gets it from restic. After that, the place is gone."""
    path = member.folder / "snapshot.tar"
    path.write_bytes(member.dump("--archive", "tar", "latest", "/"))
    shutil.rmtree(member.place)
    return path


def give(member: Member) -> str:
    """The command line that takes the file of a snapshot, as in the stack's outputs."""
    around = [f"{name}={value}" for name, value in member.environment().items()]
    return shlex.join(["env", *around, "sh", str(member.root / "current/restore.sh"), "give"])


def fetch(member: Member, snapshot: str, restores: str = "yes") -> str:
    """What the machine says when the page has this snapshot."""
    release = member.root / "releases/now"
    (release / "cfg/restore").write_text(f"1 {snapshot}\n")
    (release / "cfg/etcd-restores").write_text(f"{restores}\n")
    done = member.run(release / "restore.sh", "fetch", "1", snapshot)
    return done.stdout + done.stderr


@needs_etcd
@needs_restic
def test_the_file_becomes_the_snapshot_that_is_restored(member: Member) -> None:
    """`restic dump`, `make restore SNAPSHOT=snapshot.tar`, and the fetch of the run; the place is not asked."""
    file = read(archive(member))
    assert is_snapshot(file.name)
    file.send(give(member))
    assert (member.work / file.name / "etcd.db").stat().st_mode & 0o077 == 0
    assert f"snapshot {file.name[:8]}, taken 20" in fetch(member, file.name)
    assert (member.work / "restore-1/etcd.db").stat().st_size == file.size
    assert "the snapshot for restore 1 is here" in fetch(member, file.name)


@needs_etcd
@needs_restic
def test_another_cluster_does_not_take_the_file(member: Member) -> None:
    file = read(archive(member))
    (member.root / "releases/now/cfg/cluster-id").write_text("another-cluster\n")
    file.send(give(member))
    said = fetch(member, file.name)
    assert "is of another cluster (cluster-of-the-test, this is another-cluster). Nothing was changed" in said


@needs_etcd
@needs_restic
def test_a_machine_that_did_not_get_the_file_says_so(member: Member) -> None:
    assert "this machine does not have the snapshot file-0123456789abcdef" in fetch(member, "file-0123456789abcdef")


@needs_etcd
@needs_restic
def test_a_file_that_was_sent_before_makes_room(member: Member) -> None:
    file = read(archive(member))
    (member.work / "file-0000000000000000").mkdir()
    file.send(give(member))
    assert [path.name for path in member.work.glob("file-*")] == [file.name]


def packed(path: Path, **entries: str) -> Path:
    """An archive with these files, whose names have _ for / and -- for a dot."""
    with tarfile.open(path, "w") as made:
        for name, text in entries.items():
            entry = tarfile.TarInfo(name.replace("__", ".").replace("_", "/"))
            entry.size = len(text)
            made.addfile(entry, io.BytesIO(text.encode()))
    return path


def test_a_database_with_its_metadata_beside(tmp_path: Path) -> None:
    """As `restic restore` writes them."""
    (tmp_path / "etcd.db").write_bytes(b"")
    (tmp_path / "metadata").write_text(METADATA.format(EMPTY))
    found = read(tmp_path / "etcd.db")
    assert (found.sha256, found.size, found.name) == (EMPTY, 0, f"file-{EMPTY[:16]}")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda at: packed(at / "x.tar", metadata=METADATA.format(EMPTY)), "has 0 files with the name etcd.db"),
        (
            lambda at: packed(at / "x.tar", a_etcd__db="", b_etcd__db="", metadata=METADATA.format(EMPTY)),
            "has 2 files with the name etcd.db",
        ),
        (lambda at: packed(at / "x.tar", etcd__db="x", metadata=METADATA.format(EMPTY)), "the snapshot is damaged"),
        (lambda at: packed(at / "x.tar", etcd__db="x", metadata="format 2\ncluster c\n"), "is not of a snapshot that"),
        (lambda at: packed(at / "x.tar", etcd__db="x", metadata=""), "is not of a snapshot that"),
        (lambda at: at / "gone", "cannot be read"),
        (lambda at: packed(at / "x.tar", etcd__db="x" * 20000).rename(at / "cut.tar"), "has 0 files with the name"),
    ],
    ids=["no database", "two databases", "damaged", "another format", "empty metadata", "no file", "no metadata"],
)
def test_what_is_no_snapshot_is_refused(tmp_path: Path, make: Callable[[Path], Path], said: str) -> None:
    path = make(tmp_path)
    with pytest.raises(ToolError, match=said) as raised:
        read(path)
    assert str(path) in str(raised.value)


def test_a_database_without_metadata_is_refused(tmp_path: Path) -> None:
    (tmp_path / "etcd.db").write_bytes(b"bolt")
    with pytest.raises(ToolError, match="there is no file metadata beside the snapshot"):
        read(tmp_path / "etcd.db")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("sh -c 'cat >/dev/null; echo no room left >&2; exit 1'", "no room left"),
        ("sh -c 'exit 255'", "the connection was cut"),
        ("sh -c 'cat >/dev/null; echo file-0123456789abcdef'", "the machine has another file"),
    ],
)
@pytest.mark.parametrize("size", [0, 1_000_000])
def test_a_file_that_does_not_arrive_is_an_error(tmp_path: Path, command: str, said: str, size: int) -> None:
    """A file that does not fit into the buffer of a pipe meets the end of the other side while it is written."""
    content = b"x" * size
    (tmp_path / "etcd.db").write_bytes(content)
    (tmp_path / "metadata").write_text(METADATA.format(hashlib.sha256(content).hexdigest()))
    with pytest.raises(ToolError, match=said):
        read(tmp_path / "etcd.db").send(command)
