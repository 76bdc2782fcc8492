"""A simulated machine in a folder, on which the scripts of nodes run unchanged.

Its file system is in `sysroot` (`HARDWAY_SYSROOT`), and its releases are in `root` (`HARDWAY_ROOT`). The scripts use
the programs of this host, except programs that would change this host: these are stand-ins on PATH that record their
calls.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from components.node import scripts

SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_LOGGING = 'echo "${0##*/} $*" >>"$CALLS"\n'
_KILLING = 'kill -9 "$PPID"\n'
_FUNCTIONS_END = "# ---- called"


class ScratchMachine:
    """A machine in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.sysroot = folder, folder / "machine"
        self.root, self.system = self.sysroot / "opt/kubernetes", self.sysroot / "etc/systemd/system"
        self.programs, self.calls_file = folder / "programs", folder / "calls"
        for path in (self.root / "releases", self.root / "store", self.programs, self.system):
            path.mkdir(parents=True)
        for path in ("run", "etc/profile.d", "proc", "sys/fs/cgroup", "sys/class/net", "var/lib"):
            (self.sysroot / path).mkdir(parents=True)
        self.calls_file.touch()
        self.program("hostname", "echo node\n")

    def program(self, name: str, text: str = "", at: Path | None = None) -> Path:
        """Put a stand-in on PATH, or into a folder. It records its call and then runs `text`."""
        path = (at or self.programs) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n" + (_LOGGING if name != "hostname" else "") + text)
        path.chmod(0o755)
        return path

    def killing(self, name: str) -> None:
        """Let the program `name` kill the calling script with SIGKILL."""
        self.program(name, _KILLING)

    def revive(self, name: str) -> None:
        """Remove the stand-in `name` from PATH, so that scripts use the real program again."""
        (self.programs / name).unlink()

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a script."""
        path = {"PATH": f"{self.programs}:{SYSTEM_PATH}", "CALLS": str(self.calls_file)}
        return path | {"HARDWAY_SYSROOT": str(self.sysroot), "HARDWAY_ROOT": str(self.root)} | dict(extra or {})

    def run(self, name: str | Path, *arguments: str, text: str = "", **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a script, given by name or path, with `text` on standard input. Drops the records of earlier calls."""
        path = name if isinstance(name, Path) else scripts.path(name)
        return self.execute(["sh", str(path), *arguments], text=text, **extra)

    def call(self, names: Sequence[str], commands: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run commands in a shell that has read the functions of scripts."""
        return self.execute(["sh", "-c", f"{functions(*names)}\n{commands}\n"], **extra)

    def execute(self, command: Sequence[str], *, text: str = "", **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a command line in the environment of the machine."""
        self.calls_file.write_text("")
        around = self.environment(extra)
        return subprocess.run(command, input=text, env=around, capture_output=True, text=True, timeout=120, check=False)

    def start(self, command: Sequence[str], **streams: int) -> subprocess.Popen[str]:
        """Start a command line in the environment of the machine, and return at once."""
        return subprocess.Popen(command, env=self.environment(), text=True, **streams)  # type: ignore[call-overload,no-any-return]

    @property
    def calls(self) -> list[str]:
        """The calls of stand-ins since the start of the last run."""
        return self.calls_file.read_text().splitlines()

    def told(self, verb: str) -> list[str]:
        """The units for which systemd got a command such as `restart`, in order, each once."""
        calls = [line.split() for line in self.calls if line.startswith("systemctl ")]
        words = [word for call in calls if verb in call for word in call if word.endswith((".service", ".timer"))]
        return list(dict.fromkeys(words))

    @property
    def current(self) -> str:
        """The current release of the machine. Empty if there is none."""
        link = self.root / "current"
        return link.readlink().name if link.is_symlink() else ""

    @property
    def unproven(self) -> str | None:
        """The content of the marker file of an unfinished step. None if there is no marker file."""
        path = self.root / "unproven"
        return path.read_text() if path.exists() else None

    def files(self) -> set[str]:
        """All paths on the machine except folders."""
        return {
            path.relative_to(self.sysroot).as_posix()
            for path in self.sysroot.rglob("*")
            if path.is_symlink() or not path.is_dir()
        }


def functions(*names: str) -> str:
    """The settings and functions of scripts, without the commands that `apply.sh` runs."""
    found = []
    for name in names:
        text, marker, _ = scripts.text(name).partition(_FUNCTIONS_END)
        assert marker or name != "apply"
        found.append(text)
    return "".join(found)


def alive(pid: int) -> bool:
    """Whether a process of this host still runs (a zombie does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z" and os.path.exists(f"/proc/{pid}")  # noqa: PTH110


# Answers for units: active; an InvocationID that changes with each restart; no restarts by systemd itself.
SYSTEMCTL = """\
case $1 in
is-active) echo active ;;
show) case $3 in InvocationID) grep -c "restart.*$5" "$CALLS" ;; *) echo 0 ;; esac ;;
esac
"""


class ReleaseMachine(ScratchMachine):
    """A machine that can hold releases, whose units are healthy unless the file `sick` names `RELEASE UNIT`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.sick = folder / "sick"
        self.sick.touch()
        self.program("systemctl", SYSTEMCTL)
        self.program("journalctl")

    @classmethod
    def with_two_releases(cls, folder: Path) -> "ReleaseMachine":
        """A machine with the releases one, which is current, and two, each with one unit."""
        made = cls(folder)
        for name in ("one", "two"):
            made.release(name, {"a.service": "1 1"})
        made.runs("one")
        return made

    def release(self, digest: str, units: Mapping[str, str], texts: Mapping[str, str] | None = None) -> Path:
        """Add a staged release. The value of a unit is the rest of its line in the table of units."""
        release = self.root / "releases" / digest
        for name in ("tables", "units", "health"):
            (release / name).mkdir(parents=True)
        (release / "tables/units").write_text("".join(f"{name} {fields}\n" for name, fields in units.items()))
        for table in ("directories", "artifacts", "versions", "network", "certificates"):
            (release / "tables" / table).touch()
        self.copy_scripts(release)
        for name in units:
            text = (texts or {}).get(name, f"[Install]\n# {digest}\n")
            (release / "units" / name).write_text(text)
            (release / "health" / name).write_text(f"! grep -qx '{digest} {name}' {self.sick}\n")
        return release

    def incoming(self) -> Path:
        """A folder with an unpacked payload, which has only the scripts and two tables."""
        new = self.root / "releases" / ".new-x"
        (new / "tables").mkdir(parents=True, exist_ok=True)
        (new / "tables/network").write_text("interface of-the-new-one\n")
        (new / "tables/certificates").write_text("unit-of-the-new-one 127.0.0.1:1 ssl/server.pem\n")
        self.copy_scripts(new)
        return new

    def whole_payload(self, artifacts: str) -> Path:
        """A folder with an unpacked payload of one unit, a.service. `artifacts` are the lines of that table."""
        new = self.incoming()
        for table in ("units", "commands", "users", "readers", "directories", "versions"):
            (new / "tables" / table).touch()
        (new / "tables/artifacts").write_text(artifacts)
        for folder in ("cfg", "units", "health", "ssl"):
            (new / folder).mkdir(exist_ok=True)
        (new / "units/a.service").write_text("[Install]\n")
        return new

    def copy_scripts(self, folder: Path) -> None:
        """Copy the scripts of a payload into the folder of a release."""
        for name in scripts.TRAVELLING:
            (folder / f"{name}.sh").write_text(scripts.text(name))

    def apply(self, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run `apply.sh` with a short time limit for health."""
        return self.run("apply", *arguments, **({"HARDWAY_HEALTH_LIMIT": "2"} | extra))

    def stage(self, digest: str) -> subprocess.CompletedProcess[str]:
        """Stage an existing release."""
        return self.apply("stage", digest, str(self.incoming()))

    def runs(self, digest: str) -> None:
        """Make a release the current release of the machine."""
        (self.root / "current").unlink(missing_ok=True)
        (self.root / "current").symlink_to(f"releases/{digest}")

    def interrupted(self, before: str, digest: str) -> None:
        """Leave the machine in the state after a step that was killed right after the switch of the links."""
        self.runs(digest)
        (self.root / "unproven").write_text(before)
