"""`make backup` brings the state of Pulumi to the place of the snapshots, with a real etcd and a real restic."""

import gzip
import hashlib
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from real_etcd import EtcdCluster, needs_etcd
from snapshot_member import VERSIONS, Member, needs_restic

from tools.common.errors import ToolError
from tools.common.paths import Clone
from tools.operate.snapshots import take
from tools.operate.stack import Stack

pytestmark = [needs_etcd, needs_restic]
STATE = '{"version": 3, "deployment": {"secrets_providers": {"type": "passphrase"}}}\n'


@pytest.fixture
def member(tmp_path: Path, etcd: EtcdCluster) -> Member:
    """A member that has taken no snapshot yet."""
    made = Member(tmp_path, etcd)
    made.lay_out("now", VERSIONS, keep={"last": 2, "hourly": 0, "daily": 0, "weekly": 0})
    made.runs("now")
    return made


class Kept(Stack):
    """A stack whose only member is this one. Its state is a constant, and lies in the clone or not."""

    def __init__(self, member: Member, here: bool = True, commands: tuple[str, ...] = ("now", "list", "state")) -> None:
        super().__init__(Clone(member.folder), "prod")
        object.__setattr__(self, "here", here)
        environment = [f"{name}={value}" for name, value in member.environment().items()]
        backup = ["env", *environment, "sh", str(member.root / "current/backup.sh")]
        object.__setattr__(self, "commands", {what: {"cp-1": shlex.join([*backup, what])} for what in commands})

    def known_outputs(self) -> dict[str, Any]:
        return {"backup": self.commands}

    def keeps_state_here(self) -> bool:
        return bool(self.here)

    def exported(self) -> str:
        return STATE


def states(member: Member) -> int:
    """How many states the place has."""
    folder = member.place / "snapshots"
    return len(list(folder.iterdir())) - len(listed(member)) if folder.is_dir() else 0


def listed(member: Member) -> list[str]:
    """The snapshots that can be restored, as `make backups` lists them."""
    text = member.run(member.root / "current/backup.sh", "list").stdout
    return [line for line in text.splitlines() if line.startswith("20")]


def test_the_state_comes_back_as_it_was(member: Member, capsys: pytest.CaptureFixture[str]) -> None:
    """It is no snapshot of etcd: neither the list nor `latest` has it. No file of it stays on the member."""
    assert take(Kept(member)) == 0
    assert "state of Pulumi " in capsys.readouterr().out
    assert member.dump("--tag", "state", "latest", "state.json").decode() == STATE
    (only,) = listed(member)
    assert only.split()[1].startswith(member.last[1])
    release = member.root / "current"
    (release / "cfg/restore").write_text("1 latest\n")
    (release / "cfg/etcd-restores").write_text("yes\n")
    assert "is verified" in member.run(release / "restore.sh", "fetch", "1", "latest").stdout
    assert not list(member.work.glob("state-*"))


def test_what_the_page_keeps_counts_for_each_alone(member: Member) -> None:
    for _ in range(3):
        assert take(Kept(member)) == 0
    assert (len(listed(member)), states(member)) == (2, 2)


def test_a_state_in_a_shared_backend_stays_there(member: Member) -> None:
    assert take(Kept(member, here=False)) == 0
    assert (len(listed(member)), states(member)) == (1, 0)


def test_a_stack_of_an_earlier_version_says_what_to_run(member: Member) -> None:
    with pytest.raises(ToolError, match=r"was not copied: .* run `make up STACK=prod`"):
        take(Kept(member, commands=("now", "list")))
    assert len(listed(member)) == 1


def test_a_state_that_was_cut_off_is_not_kept(member: Member) -> None:
    whole = gzip.compress(hashlib.sha512(STATE.encode()).hexdigest().encode())
    command = shlex.split(Kept(member).commands["state"]["cp-1"])  # type: ignore[attr-defined]
    done = subprocess.run(command, input=whole[:-20], capture_output=True, check=False)
    assert (done.returncode, b"the state did not arrive whole" in done.stderr) == (1, True), done.stderr
    assert not list(member.work.glob("state-*")) and not member.place.exists()


def test_a_place_that_is_gone_is_an_error(member: Member) -> None:
    assert take(Kept(member)) == 0
    shutil.rmtree(member.place)
    member.place.write_text("no directory")
    with pytest.raises(ToolError, match="no member of etcd of stack prod could do it"):
        take(Kept(member))
