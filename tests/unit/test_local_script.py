"""The script that makes local machines: the exact command lines for podman and for docker.

The engines are simulated and record their calls, so docker's command lines are tested on machines without docker.
"""

import base64
import fcntl
import gzip
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import goldens
import pytest

SCRIPT = Path(__file__).parents[2] / "components/machines/local.sh"
FOLDER = goldens.FOLDER / "local_script"
ARCHIVE = base64.b64encode(gzip.compress(b"an archive")).decode()
BOTH = pytest.mark.parametrize("engine", ["podman", "docker"])

# Answers `inspect` with the recorded owner of a name, and records every call with its standard input.
# Arguments of a call end with the character 1F, the call with 1E.
SIMULATED = """\
#!/bin/sh
folder=$(dirname "$0") program=$(basename "$0") input='' last=''
[ "$program" != id ] || { cat "$folder/user"; exit; }
case " $* " in *" cp "* | *" -i "*) input=$(cat) ;; esac
printf '%s\037' "$program" "$@" "$input" >>"$folder/calls"
printf '\036' >>"$folder/calls"
case " $* " in *" $(cat "$folder/failing") "*) echo 'cannot do that' >&2; exit 1 ;; esac
case " $* " in
*" inspect "*)
    for word in "$@"; do
        [ "$word" != inspect ] || kind=$last
        last=$word
    done
    cat "$folder/$kind $last"
    ;;
*" exists --external "*) for last; do :; done; grep -qxF "$last" "$folder/storage" ;;
*" ps "*" --external "*) cat "$folder/storage" ;;
*" ps "*) cat "$folder/containers" ;;
*" volume ls "*) cat "$folder/volumes" ;;
*" volume exists "*) exit 1 ;;
*" info "*) echo "$folder/folders" ;;
esac
"""


@dataclass(frozen=True)
class Host:
    """A host with simulated engines, `ip`, `id` and `sleep`."""

    owners: dict[str, str] = field(default_factory=dict)
    """Existing objects, `container NAME` or `network NAME`, and the local network in their label."""
    user: int = 0
    failing: str = "nothing"
    """An argument with which every call fails."""
    containers: tuple[str, ...] = ()
    """Left-over containers of the local network."""
    volumes: tuple[str, ...] = ()
    """Unused volumes."""
    folders: tuple[str, ...] = ()
    """Folders of volumes that podman does not know."""
    storage: tuple[str, ...] = ()
    """Containers in podman's storage that podman does not know."""

    def run(self, engine: str, *arguments: str, **environment: str) -> "Done":
        """Run the script with an engine and an archive on its standard input."""
        with TemporaryDirectory() as name:
            folder = Path(name)
            for program in ("podman", "docker", "ip", "id"):
                (folder / program).write_text(SIMULATED)
                (folder / program).chmod(0o755)
            # Nothing changes between attempts.
            (folder / "sleep").symlink_to("/bin/true")
            for what, owner in self.owners.items():
                (folder / what).write_text(owner)
            (folder / "user").write_text(str(self.user))
            (folder / "failing").write_text(self.failing)
            (folder / "containers").write_text("\n".join(self.containers))
            (folder / "volumes").write_text("\n".join(self.volumes))
            for one in self.folders:
                (folder / "folders" / one).mkdir(parents=True)
            (folder / "storage").write_text("\n".join(self.storage))
            variables = {"PATH": f"{folder}:{os.environ['PATH']}", "ENGINE": engine, **environment}
            command = ["sh", str(SCRIPT), *arguments]
            done = subprocess.run(
                command,
                input=ARCHIVE,
                capture_output=True,
                text=True,
                env=variables,
                cwd=folder,
                timeout=30,
                check=False,
            )
            calls = [call.split("\x1f")[:-1] for call in (folder / "calls").read_text().split("\x1e")[:-1]]
        lines = [shlex.join(words) + (f"  <- {stdin}" if stdin else "") for *words, stdin in calls]
        return Done(done.returncode, done.stdout, done.stderr, lines)


@dataclass(frozen=True)
class Done:
    """The result of a run of the script, and its command lines; `  <- ` precedes their standard input."""

    code: int
    output: str
    error: str
    lines: list[str]


NETWORK = ("network", "lab-1", "10.89.3.0/24", "10.89.3.1")
REMOVE_NETWORK = ("remove-network", "lab-1", "10.89.3.0/24")
MACHINE = ("machine", "lab-1", "cp-1", "10.89.3.11", "20011:22")
GATEWAY = ("machine", "lab-1", "gateway", "10.89.3.2", "20000:6443 20001:80")
REMOVE_MACHINE = ("remove-machine", "lab-1", "cp-1")
FILES = ("files", "lab-1", "gateway")
OWN_NETWORK, OWN_MACHINE = {"network lab-1": "lab-1"}, {"container lab-1-cp-1": "lab-1"}
ENVIRONMENT = {"IMAGE": "localhost/hardway-node:1", "MIRROR": "", "RELOAD": "lab-api.service"}

SCENARIOS = {
    "a network": (Host(), NETWORK),
    "a network that is there already": (Host(OWN_NETWORK), NETWORK),
    "a network, by somebody who is not root": (Host(user=1000), NETWORK),
    "a network, with data of a machine whose removal was killed": (
        Host(folders=("lab-1-cp-1", "lab-12-cp-1")),
        NETWORK,
    ),
    "a network goes": (Host(OWN_NETWORK), REMOVE_NETWORK),
    "a network goes that is not there": (Host(), REMOVE_NETWORK),
    "a network goes in which a killed run has left things": (
        Host(
            OWN_NETWORK,
            containers=("0d1e", "2f3a"),
            volumes=("lab-1-cp-1", "lab-12-cp-1", "mine"),
            storage=("lab-1-cp-2", "lab-12-cp-2", "mine"),
            folders=("lab-1-cp-3",),
        ),
        REMOVE_NETWORK,
    ),
    "a machine": (Host(), MACHINE),
    "a machine that a killed run left behind": (Host(OWN_MACHINE), MACHINE),
    "a machine whose name a killed creation has taken": (Host(storage=("lab-1-cp-1",)), MACHINE),
    "a machine with two ports and a mirror in a folder with a space": (Host(), GATEWAY),
    "a machine goes": (Host(OWN_MACHINE), REMOVE_MACHINE),
    "a machine goes that is not there": (Host(), REMOVE_MACHINE),
    "files for a machine that runs": (Host(), FILES),
}


def run(engine: str, host: Host, arguments: tuple[str, ...]) -> Done:
    """Run a scenario."""
    mirror = {"MIRROR": "/home/a user/mirror"} if arguments == GATEWAY else {}
    return host.run(engine, *arguments, **(ENVIRONMENT | mirror))


def transcript(engine: str) -> str:
    """The command lines of all scenarios."""
    blocks = []
    for title, (host, arguments) in SCENARIOS.items():
        done = run(engine, host, arguments)
        assert (done.code, done.output, done.error) == (0, "", ""), title
        blocks.append("\n".join([f"# {title}", f"# local.sh {shlex.join(arguments)}", *done.lines, ""]))
    return "\n".join(blocks)


CASES: goldens.Cases = {f"{engine}.txt": partial(transcript, engine) for engine in ("podman", "docker")}


@pytest.mark.parametrize("name", goldens.names(FOLDER, CASES))
def test_golden(name: str) -> None:
    goldens.check(FOLDER, name, CASES)


def test_the_engine_may_have_options_of_its_own() -> None:
    for title, (host, arguments) in SCENARIOS.items():
        plain, other = (run(engine, host, arguments) for engine in ("podman", "podman --runtime /usr/sbin/runc"))
        with_option = [line.replace("podman ", "podman --runtime /usr/sbin/runc ", 1) for line in plain.lines]
        assert replace(plain, lines=with_option) == other, title


@BOTH
@pytest.mark.parametrize("owner", ["another", ""])
@pytest.mark.parametrize("arguments", [NETWORK, REMOVE_NETWORK, MACHINE, REMOVE_MACHINE], ids=lambda a: a[0])
def test_objects_of_other_stacks_are_left_alone(engine: str, owner: str, arguments: tuple[str, ...]) -> None:
    done = run(engine, Host({"network lab-1": owner, "container lab-1-cp-1": owner}), arguments)
    name = "lab-1" if "network" in arguments[0] else "lab-1-cp-1"
    assert (done.code, done.error) == (1, f"{name} exists and does not belong to the local network lab-1\n")
    assert len(done.lines) == 1
    assert " inspect " in done.lines[0]


@BOTH
@pytest.mark.parametrize(
    ("failing", "host", "arguments"),
    [
        ("create", Host(), NETWORK),
        ("create", Host(), MACHINE),
        ("cp", Host(), MACHINE),
        ("start", Host(), MACHINE),
        ("--volumes", Host(OWN_MACHINE), REMOVE_MACHINE),
        ("rm", Host(OWN_NETWORK), REMOVE_NETWORK),
        ("-i", Host(), FILES),
        ("systemctl", Host(), FILES),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else str(value)[:9],
)
def test_a_step_that_fails_is_the_last(engine: str, failing: str, host: Host, arguments: tuple[str, ...]) -> None:
    done = run(engine, replace(host, failing=failing), arguments)
    assert (done.code, done.error) == (1, "cannot do that\n")
    assert failing in done.lines[-1].split(), "it went on after the failure"


def test_files_need_reload() -> None:
    done = Host().run("podman", *FILES)
    assert done.code != 0
    assert "RELOAD" in done.error


def in_folder(folder: Path) -> dict[str, str]:
    """The environment of scripts in a folder where the engine records its caller."""
    (folder / "podman").write_text("#!/bin/sh\necho $CALLER >>calls\nsleep 0.2\necho lab-1\n")
    (folder / "podman").chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}", "ENGINE": "podman", "CALLER": "nobody"}


def test_one_call_at_a_time_for_a_machine(tmp_path: Path) -> None:
    variables = in_folder(tmp_path)
    # As the provider does, through a shell.
    command = ["sh", "-c", f"exec sh {shlex.quote(str(SCRIPT))} {shlex.join(REMOVE_MACHINE)}"]
    scripts = [subprocess.Popen(command, env=variables | {"CALLER": name}, cwd=tmp_path) for name in ("one", "two")]
    assert [script.wait(30) for script in scripts] == [0, 0]
    callers = (tmp_path / "calls").read_text().split()
    assert callers in (sorted(callers), sorted(callers, reverse=True)) and len(set(callers)) == 2


def test_a_call_whose_caller_is_gone_does_nothing_when_its_turn_comes(tmp_path: Path) -> None:
    """The call was waiting for its machine's lock when its Pulumi was killed."""
    lock = tmp_path / ".cache/labs/lab-1/cp-1"
    lock.parent.mkdir(parents=True)
    caller = f"import subprocess; subprocess.Popen(['sh', {str(SCRIPT)!r}, *{REMOVE_MACHINE!r}])"
    # By this process, because another program might take the lock too late.
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        subprocess.run([sys.executable, "-c", caller], cwd=tmp_path, env=in_folder(tmp_path), check=True)
    subprocess.run(["flock", str(lock), "true"], check=True, timeout=20)
    assert not (tmp_path / "calls").exists()


SLOW = {
    # No container of that name yet.
    "start": ("[ $2 != inspect ] || exit 1", MACHINE, "cp-1"),
    "rm": ("[ $2 != inspect ] || { echo lab-1; exit; }", REMOVE_MACHINE, REMOVE_MACHINE[-1]),
}


@pytest.mark.parametrize("verb", SLOW)
def test_a_start_and_a_removal_are_finished_when_their_caller_is_killed(tmp_path: Path, verb: str) -> None:
    """Podman would keep an address, or rules of the firewall, for ever. The next call has to wait for the end."""
    inspect, words, machine = SLOW[verb]
    variables = in_folder(tmp_path)
    (tmp_path / "podman").write_text(
        f"#!/bin/sh\n{inspect}\n[ $1 != {verb} ] || {{ echo begun >>calls; sleep 1; echo finished >>calls; }}\n"
    )
    script = subprocess.Popen(
        ["sh", str(SCRIPT), *words],
        env=variables | ENVIRONMENT,
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    assert script.stdin
    script.stdin.write(ARCHIVE.encode())
    script.stdin.close()
    calls = tmp_path / "calls"
    deadline = time.monotonic() + 20
    while not calls.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(script.pid, signal.SIGKILL)
    script.wait()
    assert calls.read_text() == "begun\n"
    subprocess.run(["flock", str(tmp_path / f".cache/labs/lab-1/{machine}"), "true"], check=True, timeout=20)
    assert calls.read_text() == "begun\nfinished\n"


@pytest.mark.parametrize(
    ("said", "until", "attempts", "error"),
    [
        ("IPAM error: requested ip address 10.89.3.11 is already allocated to container ID 1", 3, 3, ""),
        ("IPAM error: requested ip address 10.89.3.11 is already allocated to container ID 1", 99, 60, "run make up"),
        ("failed to set up container networking: Address already in use", 3, 3, ""),
        ("rootlessport listen tcp 127.0.0.1:20011: bind: address already in use", 99, 1, "bind:"),
    ],
)
def test_a_machine_waits_for_its_address(tmp_path: Path, said: str, until: int, attempts: int, error: str) -> None:
    """The same edit may take the address from another machine. Other problems do not go away by waiting."""
    variables = in_folder(tmp_path)
    (tmp_path / "podman").write_text(
        "#!/bin/sh\n[ $2 != inspect ] || exit 1\n[ $1 = start ] || exit 0\necho >>calls\n"
        f"[ $(wc -l <calls) -ge {until} ] || {{ echo {shlex.quote(said)} >&2; exit 1; }}\n"
    )
    (tmp_path / "sleep").symlink_to("/bin/true")
    command = ["sh", str(SCRIPT), *MACHINE]
    done = subprocess.run(
        command, input=ARCHIVE, capture_output=True, text=True, env=variables | ENVIRONMENT, cwd=tmp_path, check=False
    )
    assert (tmp_path / "calls").read_text().count("\n") == attempts
    assert done.returncode == (1 if error else 0), done.stderr
    assert error in done.stderr
