"""A machine whose clock is behind waits for the begin of its new certificates, or refuses them."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from scratch_machine import ReleaseMachine
from self_signed import self_signed

NOW = datetime(2027, 2, 3, 4, 5, 6, tzinfo=UTC)
"""The time on the machine, whose clock stands still."""


def certificate(begins_in: int) -> str:
    """A certificate that begins in some seconds by the clock of the machine."""
    return self_signed(NOW + timedelta(seconds=begins_in), NOW + timedelta(days=1))


@pytest.fixture
def machine(tmp_path: Path) -> ReleaseMachine:
    """The release one is current, and the payload of the release two arrives."""
    made = ReleaseMachine.with_two_releases(tmp_path)
    made.program("date", f'[ "$1" != +%s ] || {{ echo {int(NOW.timestamp())}; exit; }}\nexec /bin/date "$@"\n')
    made.program("sleep")
    return made


def stage(machine: ReleaseMachine, *begins_in: int) -> subprocess.CompletedProcess[str]:
    """Stage a release with certificates that begin in some seconds."""
    folder = machine.incoming() / "ssl"
    for index, seconds in enumerate(begins_in):
        path = folder / f"{'etcd/' if index % 2 else ''}{index}.pem"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(certificate(seconds))
    (folder / "key.pem").write_text("no certificate\n")
    return machine.stage("two")


def slept(machine: ReleaseMachine) -> list[str]:
    """The calls of `sleep`."""
    return [call for call in machine.calls if call.startswith("sleep ")]


def test_certificates_that_have_begun_are_staged_at_once(machine: ReleaseMachine) -> None:
    done = stage(machine, 0, -1000)
    assert done.returncode == 0, done.stderr
    assert "clock" not in done.stdout + done.stderr
    assert slept(machine) == []


@pytest.mark.parametrize("behind", [1, 5])
def test_a_machine_waits_for_the_begin_of_the_youngest_certificate(machine: ReleaseMachine, behind: int) -> None:
    done = stage(machine, -1, behind, 0)
    assert done.returncode == 0, done.stderr
    assert f"the clock of this machine is at least {behind} s behind; waits for the begin" in done.stdout
    assert slept(machine) == [f"sleep {behind}"]
    assert "release two is staged" in done.stdout


@pytest.mark.parametrize("behind", [6, 3600])
def test_a_clock_that_is_far_behind_is_refused_and_nothing_changes(machine: ReleaseMachine, behind: int) -> None:
    done = stage(machine, 1, behind)
    assert done.returncode == 1
    assert done.stderr == (
        f"node: the clock of this machine is at least {behind} s behind: by this clock, ssl/etcd/1.pem is not yet "
        "valid; allowed: 5 s. Set the clock, for example with: timedatectl set-ntp true. Nothing was changed\n"
    )
    assert (machine.current, machine.unproven, machine.told("restart"), slept(machine)) == ("one", None, [], [])
    assert "staged" not in done.stdout


def test_without_openssl_nothing_is_compared(machine: ReleaseMachine) -> None:
    machine.program("openssl", "exit 127\n")
    done = stage(machine, 3600)
    assert done.returncode == 0, done.stderr
