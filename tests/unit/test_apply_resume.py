"""The script on machines, killed at any moment and called again; systemd is a stand-in that writes down its calls.

A machine in a scratch folder has releases of two units, `a.service` and `b.service`, whose texts are what a test says.
"""

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.node.payload import APPLY, SCRIPTS, STAGE

_MAIN = "session=$(ssh_session)\nexec 9>/run/hardway.lock"
# An InvocationID that is another one after each restart; health is what the file `sick` does not name.
_STAND_IN = """\
#!/bin/sh
folder=$(dirname "$0")
case $1 in
is-active) echo active ;;
show) case $3 in InvocationID) grep -c "restart.*$5" "$folder/calls" ;; *) echo 0 ;; esac ;;
*) echo "$*" >>"$folder/calls" ;;
esac
"""


@dataclass(frozen=True)
class Machine:
    """A machine in a scratch folder."""

    folder: Path

    @property
    def root(self) -> Path:
        """Where releases lie."""
        return self.folder / "root"

    def release(self, digest: str, units: Mapping[str, str]) -> None:
        """Put a staged release there; a unit's digests are `RESTART RELOAD`."""
        release = self.root / "releases" / digest
        for name in ("tables", "units", "health"):
            (release / name).mkdir(parents=True)
        (release / "tables/units").write_text("".join(f"{name} {digests}\n" for name, digests in units.items()))
        for table in ("directories", "artifacts", "versions"):
            (release / "tables" / table).touch()
        for script in SCRIPTS:
            shutil.copy(script, release)
        for name in units:
            (release / "units" / name).write_text(f"[Install]\n# {digest}\n")
            (release / "health" / name).write_text(f"! grep -qx '{digest} {name}' {self.folder}/sick\n")

    def incoming(self) -> Path:
        """A folder with a release that came in, of which only the scripts matter."""
        new = self.root / "releases" / ".new-x"
        new.mkdir()
        for script in SCRIPTS:
            shutil.copy(script, new)
        return new

    def script(self, commands: str) -> list[str]:
        """The script's functions with this machine's folders, then some commands."""
        text, marker, _ = APPLY.read_text().partition(_MAIN)
        assert marker
        places = f"root={shlex.quote(str(self.root))} system={shlex.quote(str(self.folder / 'system'))} session=''"
        shortcuts = "hostname() { echo node; }; journalctl() { :; }; health_limit=2"
        profile = (text + STAGE.read_text()).replace("/etc/profile.d/kubernetes.sh", str(self.folder / "profile"))
        return ["sh", "-c", f"{profile}\n{places}\n{shortcuts}\n{commands}\n"]

    def run(self, commands: str) -> subprocess.CompletedProcess[str]:
        """Run it, and forget what systemd was told before."""
        self.calls_file.write_text("")
        path = f"{self.folder}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return subprocess.run(
            self.script(commands), capture_output=True, text=True, timeout=120, check=False, env={"PATH": path}
        )

    @property
    def calls_file(self) -> Path:
        """What systemd was told, one call a line."""
        return self.folder / "bin" / "calls"

    def told(self, verb: str) -> list[str]:
        """The units for which systemd got a command such as `restart`, in order, each once."""
        calls = [line.split() for line in self.calls_file.read_text().splitlines()]
        words = [word for call in calls if verb in call for word in call if word.endswith(".service")]
        return list(dict.fromkeys(words))

    @property
    def current(self) -> str:
        """The release in force."""
        return (self.root / "current").readlink().name

    @property
    def unproven(self) -> str | None:
        """What the marker says; None without one."""
        path = self.root / "unproven"
        return path.read_text() if path.exists() else None


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """With releases one, two (changes a), three (as one, but b is another) and none in force."""
    made = Machine(tmp_path)
    for folder in ("bin", "system", "root/releases", "root/store"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "sick").touch()
    (tmp_path / "bin/systemctl").write_text(_STAND_IN)
    (tmp_path / "bin/systemctl").chmod(0o755)
    made.calls_file.touch()
    made.release("one", {"a.service": "1 1", "b.service": "1 1"})
    made.release("two", {"a.service": "2 1", "b.service": "1 1"})
    made.release("three", {"a.service": "1 1", "b.service": "3 1"})
    return made


def in_force(machine: Machine, digest: str) -> None:
    """Make a release the one that the machine has run for long."""
    (machine.root / "current").unlink(missing_ok=True)
    (machine.root / "current").symlink_to(f"releases/{digest}")


def interrupted(machine: Machine, before: str, digest: str) -> None:
    """Leave the machine as a step does that was killed right after the switch."""
    in_force(machine, digest)
    (machine.root / "unproven").write_text(before)


def test_a_step_restarts_what_changed_and_leaves_no_marker(machine: Machine) -> None:
    in_force(machine, "one")
    done = machine.run("activate two")
    assert done.returncode == 0, done.stderr
    assert (machine.told("restart"), machine.current, machine.unproven) == (["a.service"], "two", None)


def test_a_step_that_was_killed_after_the_switch_restarts_what_it_had_not(machine: Machine) -> None:
    interrupted(machine, "one", "two")
    done = machine.run("activate two")
    assert done.returncode == 0, done.stderr
    assert (machine.told("restart"), machine.current, machine.unproven) == (["a.service"], "two", None)


def test_the_next_step_may_lead_elsewhere(machine: Machine) -> None:
    """Unit a may still run as `two` says although `one` and `three` say the same of it."""
    interrupted(machine, "one", "two")
    done = machine.run("activate three")
    assert done.returncode == 0, done.stderr
    assert sorted(machine.told("restart")) == ["a.service", "b.service"]
    assert (machine.current, machine.unproven) == ("three", None)


def test_an_interrupted_step_can_still_be_taken_back(machine: Machine) -> None:
    interrupted(machine, "one", "two")
    (machine.folder / "sick").write_text("two a.service\n")
    done = machine.run("activate two")
    assert done.returncode == 1
    assert "the machine is back on release one" in done.stderr
    assert (machine.current, machine.unproven) == ("one", None)


def test_going_back_that_was_interrupted_restarts_all(machine: Machine) -> None:
    """Since it is not known any more from what."""
    interrupted(machine, "one", "one")
    done = machine.run("activate one")
    assert done.returncode == 0, done.stderr
    assert (machine.told("restart"), machine.unproven) == (["a.service", "b.service"], None)


def test_staging_what_there_was_before_takes_an_interrupted_step_back(machine: Machine) -> None:
    """As when somebody kills a run because the page was wrong, and takes the change back."""
    interrupted(machine, "one", "two")
    done = machine.run(f"stage one {machine.incoming()}")
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
def test_staging_what_there_was_before_takes_a_drain_back(machine: Machine, digest: str) -> None:
    """Not staging what the pods left for: its activation follows."""
    in_force(machine, "one")
    (machine.root / "cordoned").touch()
    release = machine.root / "releases" / "one"
    (release / "bin").mkdir()
    (release / "bin/kubectl").write_text(_KUBECTL)
    (release / "bin/kubectl").chmod(0o755)
    (release / "units/kubelet.service").write_text("  --hostname-override=worker-1 \\\n")
    done = machine.run(f"stage {digest} {machine.incoming()}")
    assert done.returncode == 0, done.stderr
    assert (machine.told("restart"), machine.current) == ([], "one")
    assert (machine.root / "cordoned").exists() == (digest == "two")
    if digest == "one":
        assert 'patch node worker-1 --patch {"spec":{"unschedulable":false}}' in (release / "bin/asked").read_text()


@pytest.mark.parametrize("moment", ["install_units", "ln", "switch", "systemctl"])
def test_a_first_start_that_was_killed_is_taken_again(machine: Machine, moment: str) -> None:
    """Whatever it had done, all units are started, and not again once they are healthy."""
    assert machine.run(f"{moment}() {{ kill -9 $$; }}\nstart_first two").returncode == -signal.SIGKILL
    done = machine.run("start_first two")
    assert done.returncode == 0, done.stderr
    assert machine.told("start") == ["a.service", "b.service"]
    assert (machine.current, machine.unproven) == ("two", "")
    assert machine.run("activate two").returncode == 0
    assert machine.unproven is None
    machine.run("start_first one")
    assert machine.told("start") == [] and machine.current == "two"


def test_a_first_release_that_never_worked_gives_way_to_the_next(machine: Machine) -> None:
    """Nothing is kept alive, so all machines take the corrected one at once, before any of them is looked at."""
    machine.run("start_first two")
    (machine.folder / "sick").write_text("two a.service\n")
    failed = machine.run("activate two")
    assert failed.returncode == 1
    assert "unit a.service did not become healthy" in failed.stderr
    done = machine.run("start_first three")
    assert done.returncode == 0, done.stderr
    assert machine.told("restart") == ["a.service", "b.service"]
    assert machine.run("activate three").returncode == 0
    assert (machine.current, machine.unproven) == ("three", None)


def test_nobody_listens_any_more(machine: Machine) -> None:
    """The connection is gone, and what the script says goes nowhere: it still does all of its work."""
    in_force(machine, "one")
    path = f"{machine.folder}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.Popen(machine.script("activate two"), stdout=writing, stderr=writing, env={"PATH": path})
    os.close(writing)
    assert process.wait(30) == 0
    assert (machine.told("restart"), machine.current, machine.unproven) == (["a.service"], "two", None)


def test_a_run_that_has_ended_is_not_waited_for(machine: Machine) -> None:
    """A first release that waits for others gives up when its SSH session is gone, and stays to be started again."""
    machine.run("start_first two")
    (machine.folder / "sick").write_text("two a.service\n")
    session = subprocess.Popen(["sleep", "60"])
    script = machine.script(f"session={session.pid} health_limit=60\nactivate two")
    path = f"{machine.folder}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    process = subprocess.Popen(script, stderr=subprocess.PIPE, text=True, env={"PATH": path})
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    session.send_signal(signal.SIGKILL)
    session.wait()
    _, error = process.communicate(timeout=10)
    assert (process.returncode, "the run that asked for this has ended" in error) == (1, True)
    assert machine.unproven == ""


def test_the_session_is_the_nearest_process_of_the_ssh_server(machine: Machine, tmp_path: Path) -> None:
    """And there is none when nobody came by SSH."""
    server = tmp_path / "sshd"
    server.symlink_to("/bin/sh")
    script = tmp_path / "find.sh"
    script.write_text(machine.script("ssh_session; true")[2])
    command = f"sh {script}; echo $$; true"
    if "sshd" not in subprocess.run(["ps", "-eo", "comm"], capture_output=True, text=True, check=True).stdout.split():
        assert subprocess.run(["sh", str(script)], capture_output=True, text=True, check=True).stdout == ""
    done = subprocess.run([str(server), "-c", command], capture_output=True, text=True, check=True, timeout=10)
    found, expected = done.stdout.split()
    assert found == expected
