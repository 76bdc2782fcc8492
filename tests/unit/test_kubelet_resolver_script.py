"""The file with the name servers of pods: chosen at each start of the kubelet."""

from pathlib import Path

import pytest
from scratch_machine import ScratchMachine

OTHERS = "search example.com\nnameserver 192.0.2.53\n"
STUB = "nameserver 127.0.0.53\noptions edns0\n"
RESOLVED, STATIC = "run/systemd/resolve/resolv.conf", "etc/resolv.conf"


@pytest.fixture
def machine(tmp_path: Path) -> ScratchMachine:
    """A machine without any release."""
    return ScratchMachine(tmp_path)


def chosen(machine: ScratchMachine, files: dict[str, str]) -> Path:
    """What the kubelet reads after a start on a machine with these files."""
    for name in (RESOLVED, STATIC):
        path = machine.sysroot / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if name in files:
            path.write_text(files[name])
    done = machine.run("kubelet_resolver")
    assert done.returncode == 0, done.stderr
    return machine.sysroot / "run/hardway/resolv.conf"


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({RESOLVED: OTHERS, STATIC: STUB}, RESOLVED),
        ({STATIC: OTHERS}, STATIC),
        # systemd-resolved runs, knows no server, and somebody else writes /etc/resolv.conf.
        ({RESOLVED: "# No DNS servers known.\n", STATIC: OTHERS}, STATIC),
        ({RESOLVED: STUB, STATIC: "nameserver ::1\nnameserver 192.0.2.53\n"}, STATIC),
        # Pods in the network of the machine reach its own addresses. The preflight inspection finds this.
        ({STATIC: "nameserver 127.0.0.1\n"}, STATIC),
        ({STATIC: "search example.com\n"}, STATIC),
    ],
)
def test_servers_that_pods_reach_go_first(machine: ScratchMachine, files: dict[str, str], wanted: str) -> None:
    assert chosen(machine, files).readlink() == machine.sysroot / wanted


def test_a_machine_without_the_file_has_pods_that_know_no_server(machine: ScratchMachine) -> None:
    found = chosen(machine, {})
    assert not found.is_symlink() and found.read_text() == ""


def test_each_start_chooses_again(machine: ScratchMachine) -> None:
    """systemd-resolved is turned off, and turned on again; the file is gone, and is back."""
    for files, wanted in (
        ({RESOLVED: OTHERS, STATIC: STUB}, OTHERS),
        ({STATIC: "nameserver 192.0.2.54\n"}, "nameserver 192.0.2.54\n"),
        ({}, ""),
        ({RESOLVED: OTHERS, STATIC: STUB}, OTHERS),
    ):
        assert chosen(machine, files).read_text() == wanted
