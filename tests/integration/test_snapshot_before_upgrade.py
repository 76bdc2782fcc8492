"""The snapshot before an upgrade, with a real etcd and a real restic."""

import subprocess
import time
from pathlib import Path

import pytest
from real_etcd import EtcdCluster, needs_etcd
from snapshot_member import Member, needs_restic

pytestmark = [needs_etcd, needs_restic]
OLD, NEW = ("3.7.2", "1.36.4"), ("3.7.3", "1.37.1")


@pytest.fixture
def member(tmp_path: Path, etcd: EtcdCluster) -> Member:
    """A member of a cluster without snapshots, whose page asks for an upgrade."""
    etcd.ctl("del", "--prefix", "/hardway/")
    made = Member(tmp_path, etcd)
    made.lay_out("old", OLD)
    made.lay_out("new", NEW)
    made.runs("old")
    return made


def test_a_snapshot_of_the_versions_that_run_is_taken_and_read_back(member: Member) -> None:
    done = member.before_upgrade("3.7", "1.37")
    assert done.returncode == 0, done.stderr
    assert "read back" in done.stdout
    # A restore on the old page has to take it.
    assert "\netcd 3.7.2\nkubernetes 1.36.4\n" in member.metadata()


def test_another_minor_version_of_etcd_is_an_upgrade(member: Member) -> None:
    """A dedicated member: its release has no program of Kubernetes, and the settings name both versions."""
    done = member.before_upgrade("3.8", "1.36")
    assert done.returncode == 0, done.stderr
    assert member.last[3:] == list(OLD)


def test_without_another_minor_version_nothing_is_taken(member: Member) -> None:
    done = member.before_upgrade("3.7", "1.36")
    assert (done.returncode, done.stdout, member.last) == (0, "node: no minor version changes\n", [])


def test_a_release_without_snapshots_takes_none(member: Member) -> None:
    (member.root / "releases/old/cfg/backup.env").unlink()
    done = member.before_upgrade("3.7", "1.37")
    assert (done.returncode, done.stdout, member.last) == (0, "node: the release that runs takes no snapshots\n", [])


def test_a_machine_that_was_replaced_knows_the_versions_of_the_others(member: Member) -> None:
    member.etcd.ctl("put", "/hardway/backup/last", "1 abc 5 3.7.2 1.36.4")
    member.runs("new")
    done = member.before_upgrade("3.7", "1.37")
    assert done.returncode == 0, done.stderr
    assert member.last[1] != "abc"
    assert member.last[3:] == list(OLD)


def test_a_run_that_goes_on_after_the_first_activation_takes_none(member: Member) -> None:
    member.runs("new")
    done = member.before_upgrade("3.7", "1.37")
    assert (done.returncode, done.stdout) == (0, "node: no minor version changes\n")


def test_after_a_killed_attempt_the_next_one_takes_a_snapshot(member: Member) -> None:
    """What the killed script had started goes on, as on a machine whose connection ends; the next attempt waits."""
    script = str(member.root / "releases/new/backup.sh")
    with member.start(["sh", script, "before-upgrade", "3.7", "1.37"], stdout=subprocess.DEVNULL) as attempt:
        until = time.monotonic() + 30
        while not (member.work / "taking/etcd.db").exists():
            assert time.monotonic() < until
            time.sleep(0.01)
        attempt.kill()
    assert member.last == []
    done = member.before_upgrade("3.7", "1.37")
    assert done.returncode == 0, done.stderr
    assert member.last[3:] == list(OLD)


def test_a_place_that_does_not_answer_refuses_the_upgrade(member: Member) -> None:
    settings = member.root / "releases/new/cfg/backup.env"
    settings.write_text(settings.read_text().replace(str(member.place), "s3:https://127.0.0.1:1/bbb/p"))
    script = member.root / "releases/new/backup.sh"
    script.write_text(script.read_text().replace("reach_seconds=60", "reach_seconds=2"))
    done = member.before_upgrade("3.7", "1.37")
    assert done.returncode == 1
    assert "no snapshot before the upgrade from etcd 3.7.2 and Kubernetes 1.36.4 to etcd 3.7 and Kubernetes 1.37: " in (
        done.stderr
    )
    assert "s3:https://127.0.0.1:1/bbb/p does not answer" in done.stderr
    assert "Nothing was changed" in done.stderr
    assert "or take hardway:backup off the page" in done.stderr
    assert "a password" not in done.stderr


def test_a_place_that_takes_nothing_refuses_the_upgrade(member: Member) -> None:
    member.place.write_text("a file in the place of a directory")
    done = member.before_upgrade("3.7", "1.37")
    assert (done.returncode, "Nothing was changed" in done.stderr) == (1, True)
    assert f"{member.place} does not answer: " in done.stderr


def test_a_member_that_is_not_healthy_refuses_the_upgrade(member: Member) -> None:
    real = member.root / "bin/etcdctl"
    sick = f"case $* in *'endpoint health') echo 'Error: no leader' >&2; exit 1 ;; esac\nexec {real}-real \"$@\"\n"
    real.rename(f"{real}-real")
    member.program("etcdctl", sick, real.parent)
    done = member.before_upgrade("3.7", "1.37")
    assert (done.returncode, "the member of this machine is not healthy" in done.stderr) == (1, True)


def test_a_restore_has_nothing_to_keep(member: Member) -> None:
    (member.root / "releases/new/cfg/restore").write_text("4 latest\n")
    (member.root / "etcd-restored").write_text("3\n")
    done = member.before_upgrade("3.7", "1.37")
    assert (done.returncode, member.last) == (0, []), done.stderr
    (member.root / "etcd-restored").write_text("4\n")
    assert member.before_upgrade("3.7", "1.37").returncode == 0
    assert member.last
