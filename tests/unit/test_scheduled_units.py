"""A oneshot service and its timer: from their model to the commands for systemd."""

import base64
import io
import shutil
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from scratch_machine import ReleaseMachine

from components.node.model import NodePart, Unit, scheduled
from components.node.payload import release_payload
from components.node.release import describe, outline

ONESHOT = """\
[Unit]
Description=A snapshot of etcd

[Service]
Type=oneshot
ExecStart=/bin/true
"""
TIMER = """\
[Unit]
Description=Snapshots of etcd

[Timer]
OnCalendar=hourly
RandomizedDelaySec=300
Persistent=true

[Install]
WantedBy=timers.target
"""
SERVICE = "[Service]\nExecStart=/bin/sleep infinity\n\n[Install]\nWantedBy=multi-user.target\n"
RUNS = Unit("a.service", SERVICE)


def part(oneshot: str = ONESHOT, timer: str = TIMER) -> NodePart:
    """A part with an ordinary service, and with the oneshot service and its timer."""
    return NodePart(units=(RUNS, *scheduled("snapshot", oneshot, timer)))


class Machine(ReleaseMachine):
    """A machine that gets releases as payloads."""

    def bring(self, wanted: NodePart) -> str:
        """Stage the release of a part; returns its name."""
        release = describe(wanted, {}, {})
        new = self.root / "releases/.new-x"
        new.mkdir()
        payload = base64.b64decode(release_payload(wanted, release, {}, {}, ""))
        with tarfile.open(fileobj=io.BytesIO(payload)) as archive:
            archive.extractall(new, filter="data")
        done = self.apply("stage", release.digest, str(new))
        assert done.returncode == 0, done.stderr
        return release.digest

    def to(self, wanted: NodePart) -> subprocess.CompletedProcess[str]:
        """Stage and activate the release of a part. Only the calls of the activation are recorded."""
        return self.apply("activate", self.bring(wanted))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine without any release."""
    return Machine(tmp_path)


def test_a_timer_is_enabled_and_started_and_its_service_is_installed_only(machine: Machine) -> None:
    machine.bring(part())
    assert machine.told("start") == machine.told("enable") == ["a.service", "snapshot.timer"]
    assert (machine.system / "snapshot.service").read_text() == ONESHOT
    assert (machine.system / "snapshot.timer").read_text() == TIMER


def test_a_pair_comes_to_a_machine_that_runs(machine: Machine) -> None:
    machine.to(NodePart(units=(RUNS,)))
    done = machine.to(part())
    assert done.returncode == 0, done.stderr
    assert "restarts: snapshot.timer; reloads: nothing" in done.stdout
    assert not any("snapshot.service" in call for call in machine.calls)


def test_an_activation_of_nothing_new_starts_no_job(machine: Machine) -> None:
    machine.to(part())
    assert machine.to(part()).returncode == 0
    assert machine.told("restart") == []
    assert machine.told("start") == ["a.service", "snapshot.timer"]


def test_a_changed_job_is_made_known_and_nothing_restarts(machine: Machine) -> None:
    machine.to(part())
    done = machine.to(part(oneshot=ONESHOT.replace("/bin/true", "/bin/false")))
    assert "restarts: nothing; reloads: nothing" in done.stdout
    assert (machine.told("restart"), "systemctl daemon-reload" in machine.calls) == ([], True)
    assert "/bin/false" in (machine.system / "snapshot.service").read_text()


def test_a_changed_timer_restarts_and_its_job_does_not(machine: Machine) -> None:
    machine.to(part())
    assert machine.to(part(timer=TIMER.replace("hourly", "daily"))).returncode == 0
    assert machine.told("restart") == ["snapshot.timer"]


def systemd_says(machine: Machine, text: str) -> None:
    """Let systemd answer some calls differently."""
    program = machine.programs / "systemctl"
    program.write_text(program.read_text().replace("case $1 in", f"{text}case $1 in", 1))


INACTIVE = """\
case $* in
'is-active --quiet snapshot.timer') CONDITION || exit 3 ;;
*'NRestarts --value snapshot.timer') exit ;; # only services have that number
esac
"""


def test_a_timer_that_is_not_active_takes_the_release_back(machine: Machine) -> None:
    machine.to(NodePart(units=(RUNS,)))
    before = machine.current
    systemd_says(machine, INACTIVE.replace("CONDITION", "false"))
    done = machine.to(part())
    assert (done.returncode, "unit snapshot.timer did not become healthy" in done.stderr) == (1, True)
    assert machine.current == before
    assert not (machine.system / "snapshot.timer").exists()


def test_a_timer_has_time_to_become_active(machine: Machine) -> None:
    machine.to(NodePart(units=(RUNS,)))
    twice = '[ "$(grep -c "is-active --quiet snapshot.timer" "$CALLS")" -gt 2 ]'
    systemd_says(machine, INACTIVE.replace("CONDITION", twice))
    done = machine.to(part())
    assert done.returncode == 0, done.stderr


def test_a_job_that_failed_does_not_take_a_release_back(machine: Machine) -> None:
    machine.to(part())
    systemd_says(machine, "case $* in *is-active*snapshot.service*) echo failed; exit 3 ;; esac\n")
    assert machine.to(part(timer=TIMER.replace("hourly", "daily"))).returncode == 0


def test_a_pair_that_is_not_wanted_any_more_is_taken_away(machine: Machine) -> None:
    machine.to(part())
    assert machine.to(NodePart(units=(RUNS,))).returncode == 0
    assert machine.told("disable") == ["snapshot.service", "snapshot.timer"]
    assert sorted(path.name for path in machine.system.iterdir()) == ["a.service"]


def test_a_service_that_becomes_a_job_is_stopped_and_the_way_back_starts_it(machine: Machine) -> None:
    always = NodePart(units=(RUNS, Unit("snapshot.service", SERVICE)))
    machine.to(always)
    assert machine.to(part()).returncode == 0
    assert machine.told("disable") == ["snapshot.service"]
    assert machine.to(always).returncode == 0
    assert machine.told("start") == ["a.service"]
    assert set(machine.told("enable")) == {"a.service", "snapshot.service"}
    assert machine.told("restart") == ["snapshot.service"]


def test_removal_takes_away_jobs_and_timers(machine: Machine) -> None:
    machine.to(part())
    for name in ("umount", "ip", "nft", "iptables-save", "ip6tables-save"):
        machine.program(name)
    (machine.sysroot / "proc/mounts").touch()
    assert machine.run("remove").returncode == 0
    stopped = [call for call in machine.calls if call.startswith("systemctl stop a.service")]
    assert stopped == ["systemctl stop a.service snapshot.service snapshot.timer"] * 2
    assert [*machine.system.iterdir()] == []


def test_only_units_that_do_not_start_are_marked() -> None:
    """Tables and names of releases without such units are the same as before such units existed."""
    plain, pair = NodePart(units=(RUNS,)), part()
    assert describe(plain, {}, {}).digest == "1ba40659a18d"
    other = replace(pair, units=(*pair.units[:1], replace(pair.units[1], starts=True), *pair.units[2:]))
    assert describe(pair, {}, {}).digest != describe(other, {}, {}).digest


def test_a_preview_foretells_no_restart_of_a_job() -> None:
    said = outline(part(), {})
    assert said["units"] == ["a.service", "snapshot.timer"]
    assert said["restartOn"] == {"a.service": ["units/a.service"], "snapshot.timer": ["units/snapshot.timer"]}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")
def test_systemd_reads_the_pair(tmp_path: Path) -> None:
    for name, text in {"snapshot.service": ONESHOT, "snapshot.timer": TIMER}.items():
        (tmp_path / name).write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "snapshot.timer")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "snapshot" in line]) == (0, [])
