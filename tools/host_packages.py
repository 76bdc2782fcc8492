"""Programs that have to be on this host, and the container engine that local machines run in."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tools.errors import ToolError
from tools.progress import Progress, run_logged, say

_SYSTEM_FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Need:
    """Something that one Debian package brings: a program on PATH or one of some files."""

    package: str
    program: str = ""
    files: tuple[str, ...] = ()

    def is_met(self) -> bool:
        """Whether it is there."""
        if self.program:
            return which(self.program) is not None
        return any(next(Path("/").glob(file.lstrip("/")), None) for file in self.files)


PODMAN = (
    Need("podman", "podman"),
    Need("runc", "runc"),
    Need("netavark", files=("/usr/lib*/podman/netavark", "/usr/libexec/podman/netavark")),
    Need("aardvark-dns", files=("/usr/lib*/podman/aardvark-dns", "/usr/libexec/podman/aardvark-dns")),
    Need("iptables", "iptables"),
    Need("nftables", "nft"),
    Need("iproute2", "ip"),
)
# How the program reaches a node when others leave the cluster.
SSH = (Need("openssh-client", "ssh"),)
MACHINE_IMAGE = (
    Need("mmdebstrap", "mmdebstrap"),
    Need("debian-archive-keyring", files=("/usr/share/keyrings/debian-archive-keyring.gpg",)),
)
# What mmdebstrap needs of a user who is not root.
USER_NAMESPACES = (Need("uidmap", "newuidmap"),)
C_COMPILER = (
    Need("gcc", "gcc"),
    Need("libc6-dev", files=("/usr/include/*/sys/types.h", "/usr/include/sys/types.h")),
    Need("libseccomp-dev", files=("/usr/include/seccomp.h",)),
    Need("pkg-config", "pkg-config"),
)


def which(program: str) -> str | None:
    """Find a program, also where only root has it on PATH."""
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), _SYSTEM_FOLDERS]))


def engine() -> list[str]:
    """Give the command line of the container engine that $HARDWAY_ENGINE names, or of the one that works here.

    Podman, with runc where it has to be named; Docker where there is no podman, or this user is not root: machines that
    run kubelet need rights which rootless podman does not have. Raises ToolError when the choice cannot work.
    """
    chosen = os.environ.get("HARDWAY_ENGINE") or ("podman" if os.geteuid() == 0 and _podman_is_possible() else "docker")
    if chosen == "podman":
        if os.geteuid() != 0:
            raise ToolError(
                "local machines need root with podman: run make as root, or use docker (HARDWAY_ENGINE=docker)"
            )
        # crun refuses the mixed cgroup hierarchies of hosts that are not on cgroup v2.
        unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
        return ["podman"] if unified else ["podman", "--runtime", which("runc") or "/usr/sbin/runc"]
    if chosen != "docker":
        raise ToolError(f"HARDWAY_ENGINE is {chosen!r}; allowed: podman, docker")
    if not which("docker") or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
        raise ToolError("no container engine: `docker info` fails, and podman needs root (run make as root)")
    return ["docker"]


def _podman_is_possible() -> bool:
    return which("podman") is not None or which("docker") is None or which("apt-get") is not None


def missing(needs: Iterable[Need]) -> list[str]:
    """Name the packages of unmet needs."""
    return [need.package for need in needs if not need.is_met()]


def ensure(needs: Iterable[Need], log: Path) -> None:
    """Install what is missing. Raises ToolError with the exact command where this user cannot."""
    packages = missing(needs)
    if not packages:
        return
    if not which("apt-get"):
        raise ToolError(
            f"missing on this host (names of Debian's packages): {' '.join(packages)}; "
            "install them with your system's package manager and run make again"
        )
    if os.geteuid() != 0:
        raise ToolError(
            f"missing on this host: {' '.join(packages)}; run\n"
            f"  sudo apt-get update && sudo apt-get install -y --no-install-recommends {' '.join(packages)}\n"
            "and then make again"
        )
    say(f"missing on this host, installed now: {' '.join(packages)}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with Progress("Debian packages") as progress:
        # A broken entry among the user's sources fails this command; the packages may be found all the same.
        with contextlib.suppress(ToolError):
            run_logged(["apt-get", "update"], log, progress, env=env)
        run_logged(["apt-get", "install", "-y", "--no-install-recommends", *packages], log, progress, env=env)
