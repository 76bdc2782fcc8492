"""Diagnostics of a cluster in which a test failed, gathered before the cluster is removed."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.e2e.support.kubectl import admin_of
from tests.e2e.support.machines import Host, Machine, machines_of
from tests.e2e.support.process import ask
from tests.e2e.support.stack import Stack

_SHOWN_LINES = 25
_CLUSTER = {
    "nodes.txt": ("get", "nodes", "--output=wide"),
    "pods.txt": ("get", "pods", "--all-namespaces", "--output=wide"),
    "events.txt": ("get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"),
}
_UNITS = "etcd kube-apiserver kube-controller-manager kube-scheduler kubernetes-api-proxy containerd kubelet kube-proxy"
_MACHINE = f"""
installed() {{ [ -e "/etc/systemd/system/$1.service" ]; }}
echo '# units that are not running'
for unit in {_UNITS}; do
    installed $unit && ! systemctl is-active --quiet $unit && systemctl status --lines 40 --no-pager $unit
done
systemctl --failed --no-legend --no-pager
echo '# memory and disk'
free -m; df -h / /var
for unit in {_UNITS}; do
    installed $unit && echo "# $unit" && journalctl --unit $unit --lines 80 --no-pager --output short-iso
done
"""


def collect(stack: Stack, reason: str, hosts: Mapping[str, Host] | None = None) -> Path:
    """Write diagnostics into a new folder. If something does not answer, the file says so.

    `hosts` are the machines by node name. None: the containers of the stack's local network.
    """
    folder = stack.folder / "failures" / re.sub(r"[^\w.-]+", "_", reason)[-80:]
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in _findings(stack, hosts):
        (folder / name).write_text(text + "\n")
    return folder


def of_machine(machine: Host) -> str:
    """Units, memory, disk and journals of a machine. If the machine does not answer, as some tests require, says so."""
    try:
        return machine.run(_MACHINE, timeout=120).text
    except (AssertionError, subprocess.TimeoutExpired) as error:
        return str(error)


def last_lines(folder: Path) -> str:
    """The last lines of the most useful files."""
    parts = []
    for name in ("nodes.txt", "pods.txt", "events.txt"):
        if (folder / name).exists():
            parts += [f"--- {name}", *(folder / name).read_text().splitlines()[-_SHOWN_LINES:]]
    return "\n".join(parts)


def _findings(stack: Stack, hosts: Mapping[str, Host] | None) -> Iterator[tuple[str, str]]:
    containers: Mapping[str, Machine] = {}
    try:
        if hosts is None:
            containers = machines_of(stack)
    except (OSError, ValueError) as error:
        yield "machines.txt", f"there are none: {error}"
        return
    for name, arguments in _CLUSTER.items():
        yield name, admin_of(stack)("--request-timeout=10s", *arguments, timeout=20).text
    for name, machine in (hosts or containers).items():
        yield f"{name}.txt", of_machine(machine)
    if not containers:
        return
    engine = next(iter(containers.values())).engine
    yield "containers.txt", ask([*engine, "ps", "--all", "--filter", f"label=hardway.lab={stack.lab.name}"]).text
