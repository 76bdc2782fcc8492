"""The script on machines, killed at any moment and called again; a simulated systemd records its calls.

The machine has releases of two units, `a.service` and `b.service`.
"""

import fcntl
import os
import signal
import subprocess
from pathlib import Path

import pytest
from scratch_machine import ReleaseMachine, functions

from components.node import scripts


@pytest.fixture
def machine(tmp_path: Path) -> ReleaseMachine:
    """With the staged releases one, two (changes a) and three (like one, but changes b). None of them is current."""
    made = ReleaseMachine(tmp_path)
    made.release("one", {"a.service": "1 1", "b.service": "1 1"})
    made.release("two", {"a.service": "2 1", "b.service": "1 1"})
    made.release("three", {"a.service": "1 1", "b.service": "3 1"})
    return made


def test_an_activation_restarts_what_changed_and_leaves_no_marker(machine: ReleaseMachine) -> None:
    machine.runs("one")
    done = machine.apply("activate", "two")
    assert done.returncode == 0, done.stderr
    assert (machine.told("restart"), machine.current, machine.unproven) == (["a.service"], "two", None)


def test_an_activation_that_was_killed_after_the_switch_restarts_the_rest(machine: ReleaseMachine) -> None:
    machine.interrupted("one", "two")
    done = machine.apply("activate", "two")
    assert done.returncode == 0, done.stderr
    assert (machine.told("restart"), machine.current, machine.unproven) == (["a.service"], "two", None)


def test_the_next_activation_may_be_of_another_release(machine: ReleaseMachine) -> None:
    """Unit a may still run as in `two`, although it is the same in `one` and `three`."""
    machine.interrupted("one", "two")
    done = machine.apply("activate", "three")
    assert done.returncode == 0, done.stderr
    assert sorted(machine.told("restart")) == ["a.service", "b.service"]
    assert (machine.current, machine.unproven) == ("three", None)


def test_an_interrupted_activation_can_still_be_rolled_back(machine: ReleaseMachine) -> None:
    machine.interrupted("one", "two")
    machine.sick.write_text("two a.service\n")
    done = machine.apply("activate", "two")
    assert done.returncode == 1
    assert "the machine is back on release one" in done.stderr
    assert (machine.current, machine.unproven) == ("one", None)


def test_a_roll_back_that_was_interrupted_restarts_all_units(machine: ReleaseMachine) -> None:
    """Since the release that it started from is not known any more."""
    machine.interrupted("one", "one")
    done = machine.apply("activate", "one")
    assert done.returncode == 0, done.stderr
    assert (machine.told("restart"), machine.unproven) == (["a.service", "b.service"], None)


def test_staging_the_previous_release_reverts_an_interrupted_activation(machine: ReleaseMachine) -> None:
    """For example if an operator kills a run because the page was wrong, and reverts the page."""
    machine.interrupted("one", "two")
    done = machine.stage("one")
    assert done.returncode == 0, done.stderr
    assert (machine.told("restart"), machine.current, machine.unproven) == (["a.service"], "one", None)


_KUBECTL = """\
#!/bin/sh
case $* in
*" get node "*) printf 'v True' ;; # Ready, with the version that the release has: none
*) echo "$*" >>"$(dirname "$0")/asked" ;;
esac
"""


@pytest.mark.parametrize("digest", ["one", "two"])
def test_staging_the_previous_release_reverts_a_drain(machine: ReleaseMachine, digest: str) -> None:
    """Staging the release that needed the drain does not: its activation follows."""
    machine.runs("one")
    (machine.root / "cordoned").touch()
    release = machine.root / "releases" / "one"
    (release / "bin").mkdir()
    (release / "bin/kubectl").write_text(_KUBECTL)
    (release / "bin/kubectl").chmod(0o755)
    (release / "units/kubelet.service").write_text("  --hostname-override=worker-1 \\\n")
    done = machine.stage(digest)
    assert done.returncode == 0, done.stderr
    assert (machine.told("restart"), machine.current) == ([], "one")
    assert (machine.root / "cordoned").exists() == (digest == "two")
    if digest == "one":
        assert 'patch node worker-1 --patch {"spec":{"unschedulable":false}}' in (release / "bin/asked").read_text()


# The first program of install_units, the program that makes the first links, the switch, the first call of systemctl.
MOMENTS = {
    "cp": 'kill -9 "$PPID"\n',
    "ln": 'kill -9 "$PPID"\n',
    "mv": 'case $1 in -T) kill -9 "$PPID" ;; esac\nexec /bin/mv "$@"\n',
    "systemctl": 'kill -9 "$PPID"\n',
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_first_start_that_was_killed_is_repeated(machine: ReleaseMachine, moment: str) -> None:
    """All units are started, whatever the killed start did. Once they are healthy they are not started again."""
    usual = machine.programs / "systemctl"
    text = usual.read_text()
    machine.program(moment, MOMENTS[moment])
    assert machine.stage("two").returncode == -signal.SIGKILL
    machine.revive(moment)
    usual.write_text(text)
    usual.chmod(0o755)
    done = machine.stage("two")
    assert done.returncode == 0, done.stderr
    assert machine.told("start") == ["a.service", "b.service"]
    assert (machine.current, machine.unproven) == ("two", "")
    assert machine.apply("activate", "two").returncode == 0
    assert machine.unproven is None
    machine.stage("one")
    assert machine.told("start") == [] and machine.current == "two"


def test_a_first_release_that_never_worked_is_replaced_by_the_next(machine: ReleaseMachine) -> None:
    """There is nothing to keep alive, so all machines start the corrected release when it is staged."""
    machine.stage("two")
    machine.sick.write_text("two a.service\n")
    failed = machine.apply("activate", "two")
    assert failed.returncode == 1
    assert "unit a.service did not become healthy" in failed.stderr
    done = machine.stage("three")
    assert done.returncode == 0, done.stderr
    assert machine.told("restart") == ["a.service", "b.service"]
    assert machine.apply("activate", "three").returncode == 0
    assert (machine.current, machine.unproven) == ("three", None)


def test_an_activation_finishes_without_a_connection(machine: ReleaseMachine) -> None:
    """The connection is gone and nothing reads the script's output: the script still does all of its work."""
    machine.runs("one")
    reading, writing = os.pipe()
    os.close(reading)
    command = ["sh", str(scripts.path("apply")), "activate", "two"]
    process = machine.start(command, stdout=writing, stderr=writing)
    os.close(writing)
    assert process.wait(30) == 0
    assert (machine.told("restart"), machine.current, machine.unproven) == (["a.service"], "two", None)


@pytest.fixture
def ssh_server(machine: ReleaseMachine) -> str:
    """A shell whose process has the name of the SSH server; the machine shows the processes of this host."""
    server = machine.folder / "sshd"
    server.symlink_to("/bin/sh")
    (machine.sysroot / "proc").rmdir()
    (machine.sysroot / "proc").symlink_to("/proc")
    return str(server)


def end(session: subprocess.Popen[str]) -> None:
    """Kill an SSH session whose script still runs after a second."""
    with pytest.raises(subprocess.TimeoutExpired):
        session.wait(1)
    session.send_signal(signal.SIGKILL)
    session.wait()


def said(session: subprocess.Popen[str]) -> str:
    """All that the script of a session wrote: the script has ended, too."""
    assert session.stderr is not None
    with session.stderr as errors:
        return errors.read()


def test_a_run_that_has_ended_is_not_waited_for(machine: ReleaseMachine, ssh_server: str) -> None:
    """The start of a first release gives up if its SSH session is gone, and can be repeated."""
    machine.stage("two")
    machine.sick.write_text("two a.service\n")
    waiting = f"HARDWAY_HEALTH_LIMIT=60 sh {scripts.path('apply')} activate two; true"
    process = machine.start([ssh_server, "-c", waiting], stderr=subprocess.PIPE)
    end(process)
    assert "the run that asked for this has ended" in said(process)
    assert machine.unproven == ""


def test_a_stage_whose_run_ended_while_it_waited_leaves_no_unpacked_release(
    machine: ReleaseMachine, ssh_server: str
) -> None:
    """The unpacked release has private keys."""
    folder = machine.incoming()
    lock = machine.sysroot / "run/hardway.lock"
    # By this process, because another program might take the lock too late.
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = f"sh {folder}/apply.sh stage two {folder}; true"
        process = machine.start([ssh_server, "-c", waiting], stderr=subprocess.PIPE)
        end(process)
    assert "the run that asked for this has ended" in said(process)
    assert not folder.exists()


def test_the_session_is_the_nearest_process_of_the_ssh_server(machine: ReleaseMachine, ssh_server: str) -> None:
    """And there is none without SSH."""
    script = machine.folder / "find.sh"
    script.write_text(functions("apply") + "\nssh_session; true\n")
    if "sshd" not in subprocess.run(["ps", "-eo", "comm"], capture_output=True, text=True, check=True).stdout.split():
        assert machine.run(script).stdout == ""
    done = machine.execute([ssh_server, "-c", f"sh {script}; echo $$; true"])
    found, expected = done.stdout.split()
    assert found == expected


def test_a_release_that_is_there_gets_the_scripts_and_the_remnants_of_the_program_that_stages_it(
    machine: ReleaseMachine,
) -> None:
    """A release keeps its digest when only the program changes, so nothing else would bring them there."""
    release = machine.root / "releases/one"
    machine.runs("one")
    (release / "remove.sh").write_text("old\n")
    done = machine.stage("one")
    assert done.returncode == 0, done.stderr
    assert (release / "tables/network").read_text() == "interface of-the-new-one\n"
    assert (release / "tables/certificates").read_text().startswith("unit-of-the-new-one ")
    assert (release / "remove.sh").read_text() == scripts.text("remove")
