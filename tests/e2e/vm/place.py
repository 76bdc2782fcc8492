"""The virtual machine with what it needs: a mirror on this host, and the page of its cluster."""

import contextlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from components.machines.gateway import API_PORT, REGISTRIES
from components.machines.host_facts import read_host_facts
from components.machines.local_network import choose, keep
from components.machines.mirror_server import FILES_PORT, REGISTRY_PORT
from tests.e2e.onprem.site import MIRROR, PACKAGES_PORT, KeyPair, Site, key_pair, packages_from, start_mirror
from tests.e2e.support.progress import Say, stopwatch
from tests.e2e.support.stack import laptop_page
from tests.e2e.vm import image
from tests.e2e.vm.machine import VirtualMachine, Wire, booted
from tests.wait import eventually
from tools.common.paths import Clone
from tools.common.store import remove_tree

NODE = "vm-1"
NODE_PORT = 8888
MIRROR_SEEN = "10.0.2.100"
"""The mirror's address, as the machine sees it: in the network of QEMU, where nothing else has this address."""
_SSH_PORT = 22
_PATIENT_LEADER = {
    "leader-elect-lease-duration": "140s",
    "leader-elect-renew-deadline": "110s",
    "leader-elect-retry-period": "25s",
}


@dataclass(frozen=True)
class Place:
    """The machine, and ports on 127.0.0.1 by the machine's port."""

    machine: VirtualMachine
    ports: dict[int, int]
    process: int
    """The number of QEMU's process."""
    boot_seconds: float
    """From the start of QEMU until the machine took commands."""


@contextlib.contextmanager
def place(clone: Clone, stack: str, say: Say) -> Iterator[Place]:
    """The running machine beside its mirror. Everything is removed at the end."""
    disk = image.ensure()
    facts = read_host_facts(clone.cache / "local.json", "auto")
    lab = keep(clone.state / stack, choose(clone.state / stack, stack, stack, {MIRROR: None}))
    free = iter(range(lab.port_base, lab.port_base + 64))
    mirrored = {port: next(free) for port in (FILES_PORT, REGISTRY_PORT, PACKAGES_PORT)}
    into = {port: next(free) for port in (_SSH_PORT, API_PORT, NODE_PORT)}
    wire = Wire(into, {f"{MIRROR_SEEN}:{port}": here for port, here in mirrored.items()})
    with TemporaryDirectory(prefix="hardway-e2e-") as name:
        folder = Path(name)
        host, operator = key_pair(folder, NODE), key_pair(folder, "operator")
        site = Site(lab, facts, clone, (), operator, {}, folder)
        machine = VirtualMachine(NODE, image.ADDRESS, into[_SSH_PORT], site.key_file, host.public, folder)
        try:
            say(f"a mirror in {lab.subnet}")
            start_mirror(site, disk.packages, {here: there for there, here in mirrored.items()})
            files = partial(site.container(MIRROR).run, "systemctl is-active lab-files.service lab-debian.service")
            eventually(lambda: files().ok(), 60, "the mirror serves files")
            seed = _seed(folder / "seed.tar", host, operator)
            with booted(NODE, disk, seed, wire, clone.cache / "e2e" / stack) as process:
                elapsed = stopwatch()
                say(f"a virtual machine boots: process {process}")
                machine.answers()
                say(f"  the machine took commands after {elapsed():.1f} s")
                yield Place(machine, into, process, elapsed())
        finally:
            site.call("remove-machine", MIRROR)
            site.call("remove-network", lab.subnet)
            remove_tree(clone.state / stack)


def page(found: Place, proxy_mode: str) -> dict[str, Any]:
    """The page of a cluster of one node with all roles, with limits for a machine whose processors are a program."""
    laptop = laptop_page("vm")
    reached = {"host": "127.0.0.1", "port": found.ports[_SSH_PORT], "hostKey": found.machine.host_key}
    return {
        "hardway:cluster": {"name": "vm"},
        "hardway:machines": {
            "provider": "existing",
            "user": image.image.USER,
            "privateKeyFile": str(found.machine.key),
            "endpoint": {"host": "127.0.0.1", "port": found.ports[API_PORT]},
            "swap": "disable",
        },
        "hardway:nodes": [
            {"name": NODE, "roles": ["etcd", "control-plane", "worker"], "address": image.ADDRESS, "ssh": reached}
        ],
        "hardway:network": laptop["hardway:network"] | {"proxyMode": proxy_mode},
        "hardway:dns": laptop["hardway:dns"],
        "hardway:artifacts": {
            "source": "mirror",
            "mirror": f"http://{MIRROR_SEEN}",
            "registryMirrors": dict.fromkeys(REGISTRIES, f"http://{MIRROR_SEEN}:{REGISTRY_PORT}"),
        },
        "hardway:rollout": {"healthTimeout": "40m", "answerTimeout": "15s", "apiTimeout": "5m"},
        # An API server gives a request up after a minute, and its schema takes longer here.
        "hardway:extraArgs": {
            "kube-apiserver": {"request-timeout": "5m"},
            # These end if they cannot renew their lease in 10 s, and each of their starts costs the machine a minute.
            "kube-controller-manager": _PATIENT_LEADER,
            "kube-scheduler": _PATIENT_LEADER,
        },
    }


def _seed(path: Path, host: KeyPair, operator: KeyPair) -> Path:
    """What makes the machine of the disk this machine: its host key, its name, who logs in, where packages are."""
    path.touch(mode=0o600)
    with tarfile.open(path, "w") as tar:
        for name, mode, text in (
            ("etc/ssh/ssh_host_ed25519_key", 0o600, host.private),
            ("etc/hostname", 0o644, f"{NODE}\n"),
            ("etc/hosts", 0o644, f"127.0.0.1 localhost\n127.0.1.1 {NODE}\n"),
            ("etc/apt/sources.list", 0o644, packages_from(MIRROR_SEEN)),
            (f"home/{image.image.USER}/.ssh/authorized_keys", 0o644, f"{operator.public}\n"),
        ):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), mode
            tar.addfile(entry, io.BytesIO(text.encode()))
    return path
