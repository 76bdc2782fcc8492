"""A machine whose certificates have ended takes its next release at once: nothing works that could be kept alive."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from scratch_machine import ReleaseMachine
from self_signed import self_signed


def certificate(days: float) -> str:
    """A certificate that ends in some days."""
    now = datetime.now(UTC)
    return self_signed(now - timedelta(days=10), now + timedelta(days=days))


@pytest.fixture
def machine(tmp_path: Path) -> ReleaseMachine:
    """The releases one, which is current, and two, in which nothing but certificates differ."""
    made = ReleaseMachine(tmp_path)
    for name in ("one", "two"):
        release = made.release(name, {"a.service": "1 1", "b.service": "1 1", "c.service": "1 1 installed"})
        (release / "ssl/etcd").mkdir(parents=True)
        (release / "ssl/etcd/ca.pem").write_text(certificate(3650))
        (release / "ssl/etcd/peer.pem").write_text(certificate(90))
    made.runs("one")
    return made


def test_valid_certificates_leave_the_release_to_the_activation(machine: ReleaseMachine) -> None:
    done = machine.stage("two")
    assert done.returncode == 0, done.stderr
    assert (machine.current, machine.unproven, machine.told("restart")) == ("one", None, [])


def test_after_their_end_everything_restarts_with_the_new_release(machine: ReleaseMachine) -> None:
    """Without waiting for health, which no machine has before the other machines have their certificates, too."""
    (machine.root / "releases/one/ssl/etcd/peer.pem").write_text(certificate(-1))
    done = machine.stage("two")
    assert done.returncode == 0, done.stderr
    assert "have ended" in done.stdout
    assert (machine.current, machine.unproven) == ("two", "")
    assert machine.told("restart") == ["a.service", "b.service"]
    assert all("--no-block" in call for call in machine.calls if " restart " in call or " start " in call)


def test_the_activation_afterwards_waits_for_health_and_never_goes_back(machine: ReleaseMachine) -> None:
    (machine.root / "releases/one/ssl/etcd/peer.pem").write_text(certificate(-1))
    machine.stage("two")
    machine.sick.write_text("two b.service\n")
    failed = machine.apply("activate", "two")
    assert failed.returncode == 1
    assert (machine.current, machine.unproven) == ("two", "")
    machine.sick.write_text("")
    done = machine.apply("activate", "two")
    assert done.returncode == 0, done.stderr
    assert (machine.current, machine.unproven) == ("two", None)


def test_a_file_that_is_no_certificate_has_not_ended(machine: ReleaseMachine) -> None:
    (machine.root / "releases/one/ssl/etcd/other.pem").write_text("-----BEGIN PUBLIC KEY-----\n")
    done = machine.stage("two")
    assert done.returncode == 0, done.stderr
    assert (machine.current, machine.told("restart")) == ("one", [])
