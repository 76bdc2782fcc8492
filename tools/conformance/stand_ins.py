"""Brings stand-ins of upstream's test images to local machines, which reach no registry, and takes them away again."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools.common.errors import ToolError
from tools.common.paths import Clone, shared_cache
from tools.common.progress import Progress
from tools.common.store import Store
from tools.from_source import stand_ins
from tools.prepare import host_packages

_CTR = "/opt/kubernetes/bin/ctr --namespace k8s.io images"
_IMPORT_SECONDS = 300
_AT_ONCE = 2
"""Each machine gets hundreds of megabytes, and all share the disk of this host."""


@dataclass(frozen=True)
class LocalMachines:
    """Local machines of a stack, and how to run a command on one of them."""

    engine: Sequence[str]
    network: str
    nodes: Sequence[str]

    def shell(self, node: str, command: str) -> list[str]:
        """The command line on this host. It passes standard input on."""
        return [*self.engine, "exec", "--interactive", f"{self.network}-{node}", "sh", "-c", command]


def of(clone: Clone, stack: str, nodes: Sequence[str]) -> LocalMachines:
    """The local machines of a stack."""
    engine = json.loads((clone.cache / "local.json").read_text())["engine"]
    network = json.loads((clone.state / stack / "lab.json").read_text())["name"]
    return LocalMachines(engine, network, nodes)


def archive() -> Path:
    """The archive with the images; makes it first if that was not done yet.

    Raises ToolError if this host lacks Go or a package, and the user cannot install the package.
    """
    store = Store(shared_cache() / "store")
    found = stand_ins.find(store)
    if found is None:
        needs = [*host_packages.MACHINE_IMAGE, *(() if os.geteuid() == 0 else host_packages.USER_NAMESPACES)]
        host_packages.ensure([*needs, *host_packages.C_COMPILER], shared_cache() / "log" / "apt.log")
        with Progress("stand-ins of upstream's test images") as progress:
            found = stand_ins.build(store, progress)
    return found


def bring(machines: LocalMachines, images: Path) -> None:
    """Import the images on each machine. Raises ToolError if a machine does not take them."""
    with Progress(f"stand-ins of upstream's test images on {', '.join(machines.nodes)}"):
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            said = list(pool.map(lambda node: _import(machines, node, images), machines.nodes))
        if any(said):
            raise ToolError("\n".join(line for line in said if line))


def take_away(machines: LocalMachines, images: Path) -> None:
    """Remove the images from each machine. An image that is not there is no failure."""
    names = shlex.join(stand_ins.names(images))
    for node in machines.nodes:
        command = machines.shell(node, f"{_CTR} rm --sync {names}")
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_IMPORT_SECONDS)


def _import(machines: LocalMachines, node: str, images: Path) -> str:
    """Import the images on one machine. Returns why that failed."""
    with images.open("rb") as file:
        try:
            done = subprocess.run(
                machines.shell(node, f"{_CTR} import -"),
                stdin=file,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
                timeout=_IMPORT_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return f"machine {node} did not take the images within {_IMPORT_SECONDS} s"
    if done.returncode == 0:
        return ""
    return f"machine {node} did not take the images: {(done.stdout.strip().splitlines() or ['no message'])[-1]}"
