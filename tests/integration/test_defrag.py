"""A full etcd: its alarm, a bigger quota, compaction and defragmentation, with a real etcd of three members."""

import fcntl
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_etcd import EtcdCluster, needs_etcd, running
from scratch_machine import ReleaseMachine

from components.node import scripts
from tools.common.errors import ToolError
from tools.operate.defrag import defragment_members
from tools.operate.etcd_status import MemberStatus, parse

QUOTA = 4_000_000
pytestmark = needs_etcd
# The health check of a release: components/node/render/etcd.py.
HEALTH = (
    "systemctl is-active --quiet etcd.service && curl -fsS --noproxy '*' --max-time 2 http://127.0.0.1:2381/health\n"
)


class Machines:
    """A machine for each member of a cluster, with a release that is current."""

    def __init__(self, folder: Path, etcd: EtcdCluster) -> None:
        self.etcd = etcd
        self.machines = {}
        for member in etcd.members:
            made = self.machines[member.name] = ReleaseMachine(folder / member.name)
            etcd.equip(made, member)
            for digest in ("one", "two"):
                release = made.release(digest, {"etcd.service": "1 1"})
                (release / "health/etcd.service").write_text(HEALTH)
                (release / "cfg").mkdir()
                (release / "ssl").mkdir()
                (release / "cfg/etcd-functions").write_text(scripts.text("etcd_ask"))
            made.runs("one")
            (made.root / "cfg").symlink_to("current/cfg")

    @property
    def commands(self) -> dict[str, str]:
        """The command lines of the output, by member."""
        return {
            name: shlex.join(
                [
                    "env",
                    *(f"{key}={value}" for key, value in machine.environment({"HARDWAY_LOCK_SECONDS": "1"}).items()),
                    *("sh", f"{machine.root}/current/defrag.sh"),
                ]
            )
            for name, machine in self.machines.items()
        }

    @property
    def defragmented(self) -> list[str]:
        """The members that were asked to defragment, since the machines exist."""
        return [name for name, m in self.machines.items() if any(call.endswith(" defrag") for call in m.calls)]

    def sizes(self) -> dict[str, int]:
        """The size of the file of each member in bytes."""
        statuses = (self.etcd.ctl("endpoint", "status", "--write-out=json", member=m).stdout for m in self.etcd.members)
        return {member.name: parse(text).size for member, text in zip(self.etcd.members, statuses, strict=True)}


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    """Three members with a small quota."""
    with running(tmp_path_factory.mktemp("etcd"), 3, QUOTA) as made:
        yield made


@pytest.fixture
def machines(tmp_path: Path, etcd: EtcdCluster) -> Machines:
    """The machines of the members, which are well and nearly empty."""
    for member in etcd.members:
        if member.quota != QUOTA:
            etcd.restart(member, QUOTA)
    made = Machines(tmp_path, etcd)
    etcd.empty()
    return made


def told(capfd: pytest.CaptureFixture[str]) -> list[str]:
    """The lines that were shown."""
    return capfd.readouterr().err.splitlines()


def test_a_full_etcd_gets_its_space_back_and_the_leader_is_last(
    machines: Machines, capfd: pytest.CaptureFixture[str]
) -> None:
    machines.etcd.fill()
    full = machines.sizes()
    leader = machines.etcd.leader.name
    assert defragment_members(machines.commands) == 0
    lines = told(capfd)
    assert [line.split(":")[0] for line in lines if ": was " in line][-1] == leader
    assert machines.etcd.leader.name != leader, "the leadership was handed over"
    assert all(size < full[name] / 2 for name, size in machines.sizes().items())
    assert machines.etcd.alarms == ""
    assert lines[-1] == ("every member of etcd has room: the alarm NOSPACE is disarmed")
    machines.etcd.ctl("put", "/x", "y")


def test_without_an_alarm_members_with_little_free_space_are_left_alone(
    machines: Machines, capfd: pytest.CaptureFixture[str]
) -> None:
    assert defragment_members(machines.commands) == 0
    assert len([line for line in told(capfd) if "left alone" in line]) == 3
    assert machines.defragmented == []


@pytest.mark.parametrize(
    ("size", "in_use", "worth"),
    [(300, 100, True), (300, 160, False), (90, 1, False), (1000, 880, False), (220, 100, True)],
)
def test_defragmentation_is_worth_it_for_more_than_half_and_more_than_100_mebibytes(
    size: int, in_use: int, worth: bool
) -> None:
    status = MemberStatus(1, 2, "3.7.2", size << 20, in_use << 20, 2048 << 20, 3, learner=False, errors=())
    assert status.is_fragmented is worth


def test_a_member_that_does_not_run_keeps_the_others_as_they_are(machines: Machines) -> None:
    member = machines.etcd.members[1]
    member.stop()
    try:
        with pytest.raises(ToolError, match=r"^m2: .*Nothing was changed$"):
            defragment_members(machines.commands)
        done = machines.machines[member.name].apply("activate", "two", HARDWAY_HEALTH_LIMIT="1")
        assert (done.returncode, "the machine is back on release one" in done.stderr) == (1, True)
    finally:
        machines.etcd.start(member)
        machines.etcd.wait()
    assert machines.defragmented == []


def test_a_roll_keeps_it_away_and_it_keeps_a_roll_away(machines: Machines) -> None:
    machine = machines.machines["m2"]
    with (machine.sysroot / "run/hardway.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ToolError, match=r"m2: a release is being staged or activated, or another such command"):
            defragment_members(machines.commands)
        fcntl.flock(lock, fcntl.LOCK_UN)
        command = shlex.split(machines.commands["m2"])
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as session:
            assert session.stdin
            assert session.stdout
            session.stdin.write("request status\n")
            session.stdin.flush()
            assert session.stdout.readline().startswith("[{")
            with pytest.raises(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_an_interrupted_activation_has_to_end_first(machines: Machines) -> None:
    machines.machines["m3"].interrupted("one", "two")
    with pytest.raises(ToolError, match=r"m3: the activation of a release was interrupted: run `make up` first"):
        defragment_members(machines.commands)


def test_a_snapshot_keeps_it_away(machines: Machines, tmp_path: Path) -> None:
    """It also gives up the lock at its end: the next snapshot gets it."""
    etcd, taken = machines.etcd, tmp_path / "taken"
    lock = [etcd.etcdctl, f"--endpoints={etcd.members[0].client}", "lock", "/hardway/backup/lock", "--", "sh", "-c"]
    snapshot = f"echo held; until [ -e {taken} ]; do sleep 0.1; done"
    with subprocess.Popen([*lock, snapshot], stdout=subprocess.PIPE, text=True) as taking:
        assert taking.stdout
        assert taking.stdout.readline() == "held\n"
        with pytest.raises(ToolError, match=r"m1: a snapshot is being taken"):
            defragment_members(machines.commands)
        taken.touch()
    assert defragment_members(machines.commands) == 0
    assert subprocess.run([*lock, "true"], timeout=10, check=False).returncode == 0


def test_if_the_data_itself_is_too_big_the_error_says_what_to_do(machines: Machines) -> None:
    etcd = machines.etcd
    etcd.ctl("put", "/x", text="x" * 1_000_000)
    etcd.restart(etcd.members[0], 1_000_000)
    etcd.ctl("put", "/y", "y", check=False)
    assert "NOSPACE" in etcd.alarms
    with pytest.raises(ToolError, match=r"^m1: .* until every member has room: .*, delete objects .*quotaBackendBytes"):
        defragment_members(machines.commands)
    assert "NOSPACE" in machines.etcd.alarms


def test_with_a_bigger_quota_the_roll_goes_on_and_the_last_member_disarms_the_alarm(machines: Machines) -> None:
    etcd = machines.etcd
    etcd.fill()
    for member in etcd.members:
        etcd.restart(member, 2 * QUOTA)
        assert "NOSPACE" in etcd.alarms
        done = machines.machines[member.name].apply("activate", "two", HARDWAY_HEALTH_LIMIT="5")
        assert done.returncode == 0, done.stderr
        assert machines.machines[member.name].current == "two"
    assert etcd.alarms == ""
    assert "the alarm NOSPACE is disarmed" in done.stdout
    etcd.ctl("put", "/x", "y")
