"""What this machine has for local machines: engine, kernel, cgroups, limits, disk, ports. Needs no root."""

import json
import os
import platform
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from components.machines.local_network import is_free
from tools.common.errors import ToolError
from tools.doctor.line import Line
from tools.prepare import host_limits, host_packages
from tools.prepare.host_packages import Need

MODULES = ("overlay", "bridge", "veth", "vxlan", "br_netfilter", "nf_tables")
GIGA = 1 << 30
BUILD_BYTES = 20 * GIGA
"""Module cache, build cache and results of a whole build."""
MIRROR_BYTES = 2 * GIGA
"""Release files and images of one version of everything."""
MACHINES_BYTES = 8 * GIGA
"""The image, and what five machines write."""
_CONTAINERS = ("/var/lib/containers", "/var/lib/docker", "/var/lib")


def engine(packages: Iterable[Need]) -> Iterator[Line]:
    """The container engine, and the packages that it and the image of machines need."""
    try:
        command = host_packages.engine()
    except ToolError as error:
        yield Line("container engine", False, str(error))
        return
    missing = host_packages.missing([*(host_packages.PODMAN if command[0] == "podman" else ()), *packages])
    root = os.geteuid() == 0
    if missing:
        install = f"apt-get update && apt-get install -y --no-install-recommends {' '.join(missing)}"
        by_itself = root and host_packages.which("apt-get") is not None
        mend = f"`make up` installs them; or run: {install}" if by_itself else f"sudo sh -c '{install}'"
        yield Line(f"packages of this machine: {' '.join(missing)}", False, mend, needed=not by_itself)
    yield Line(f"container engine: {' '.join(command)}", True)


def kernel(
    modules: Path | None = None, loaded: Path = Path("/sys/module"), wanted: Iterable[str] = MODULES
) -> Iterator[Line]:
    """Kernel, its modules, and the version of cgroups. `modules` is the folder of this kernel's modules."""
    folder = modules or Path("/lib/modules") / platform.release()
    known = [folder / name for name in ("modules.dep", "modules.builtin")]
    text = "\n".join(path.read_text() for path in known if path.is_file())
    system = Path("/proc/filesystems")
    text += system.read_text() if system.is_file() else ""
    absent = [
        name
        for name in wanted
        if not (loaded / name).exists() and f"/{name}.ko" not in text and f"\t{name}\n" not in text
    ]
    release = f"kernel {platform.release()}"
    if not absent:
        yield Line(f"{release}: {', '.join(wanted)}", True)
    elif known[0].is_file():
        mend = f"sudo modprobe -a {' '.join(absent)}; if that fails, another kernel"
        yield Line(f"{release}: modules {' '.join(absent)}", False, mend)
    else:
        yield Line(f"{release}; it does not tell whether it has {', '.join(absent)}", True)
    version = 2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1
    yield Line(f"cgroups of version {version}", True)


def limits(limit: Path = host_limits.INOTIFY) -> Iterator[Line]:
    """The limit of inotify instances."""
    if not limit.exists():
        return
    found, root = int(limit.read_text()), os.geteuid() == 0
    mend = f"sudo sysctl -w {host_limits.setting()}"
    if root:
        mend = f"`make up` raises it; or run: {mend}"
    enough = found >= host_limits.NEEDED
    yield Line(f"inotify instances: {found}, {host_limits.NEEDED} wanted", enough, mend, needed=not root)


def disk(cache: Path, cache_bytes: int, containers: Iterable[str] = _CONTAINERS) -> Iterator[Line]:
    """Free space for the cache, and for the storage of containers."""
    storage = next((Path(name) for name in containers if Path(name).is_dir()), Path("/"))
    for what, folder, wanted, mend in (
        ("cache", cache, cache_bytes, "make room, or use another place: export HARDWAY_CACHE=FOLDER"),
        ("storage of containers", storage, MACHINES_BYTES, "make room: podman system prune, or docker system prune"),
    ):
        there = next(parent for parent in (folder, *folder.parents) if parent.exists())
        free = shutil.disk_usage(there).free
        found = f"{free / GIGA:.0f} GiB free for the {what}, in {there}; {wanted / GIGA:.0f} wanted"
        yield Line(found, free >= wanted, mend)


def ports(state: Path, nodes: int, base: int | None, runs: bool) -> Iterator[Line]:
    """The ports on 127.0.0.1 of a local stack. `base` is on the page; `runs`: the stack has made machines.

    Without either, `make up` chooses free ports.
    """
    reserved = state / "lab.json"
    first = base or (json.loads(reserved.read_text())["port_base"] if reserved.is_file() else None)
    if first is None:
        yield Line("ports on 127.0.0.1: free ones will be chosen", True)
        return
    wanted = range(first, first + nodes + 1)
    taken = [] if runs else [str(port) for port in wanted if not is_free(port)]
    what = f"ports {wanted[0]} to {wanted[-1]} on 127.0.0.1"
    if runs:
        yield Line(f"{what}: this stack has them", True)
    elif taken:
        mend = f"ss -ltnp 'sport = :{taken[0]}' shows who has it; or set hardway:machines.portBase on the page"
        yield Line(f"{what}: {', '.join(taken)} taken", False, mend)
    else:
        yield Line(f"{what}: free", True)
