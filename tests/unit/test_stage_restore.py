"""A restore that is taken off the page before it has happened: the machine starts what was stopped for it."""

from pathlib import Path

import pytest
from scratch_machine import ReleaseMachine

from components.node.render.backup import WORK


@pytest.fixture
def machine(tmp_path: Path) -> ReleaseMachine:
    """A machine that runs release one and was stopped for restore 3; release two is new."""
    made = ReleaseMachine(tmp_path)
    for name in ("one", "two"):
        made.release(name, {"a.service": "1 1", "b.timer": "1 1", "c.service": "1 1 installed"})
    made.runs("one")
    (made.root / "restore-begun").write_text("3\n")
    return made


def starts(machine: ReleaseMachine) -> list[str]:
    """Units that systemd was told to start."""
    return machine.told("start")


def test_a_release_without_the_restore_starts_everything(machine: ReleaseMachine) -> None:
    done = machine.stage("two")
    assert done.returncode == 0, done.stderr
    assert starts(machine) == ["a.service", "b.timer"]
    assert not (machine.root / "restore-begun").exists()


def test_a_release_with_the_same_restore_starts_nothing(machine: ReleaseMachine) -> None:
    release = machine.root / "releases/two"
    (release / "cfg").mkdir(exist_ok=True)
    (release / "cfg/restore").write_text("3 latest\n")
    done = machine.stage("two")
    assert done.returncode == 0, done.stderr
    assert starts(machine) == []
    assert (machine.root / "restore-begun").read_text() == "3\n"


def test_a_snapshot_that_was_fetched_for_a_restore_that_was_given_up_goes(machine: ReleaseMachine) -> None:
    """Otherwise a later restore with the same number would bring back this snapshot, and not the one that it names."""
    fetched = machine.sysroot / WORK.lstrip("/")
    for name in ("restore-3", "restore-4", "file-0123456789abcdef", "taking"):
        (fetched / name).mkdir(parents=True)
    (machine.root / "restore-begun").unlink()
    release = machine.root / "releases/two"
    (release / "cfg").mkdir(exist_ok=True)
    (release / "cfg/restore").write_text("4 latest\n")
    assert machine.stage("two").returncode == 0
    assert sorted(path.name for path in fetched.iterdir()) == ["file-0123456789abcdef", "restore-4", "taking"]
    assert machine.stage("one").returncode == 0
    assert sorted(path.name for path in fetched.iterdir()) == ["file-0123456789abcdef", "taking"]
