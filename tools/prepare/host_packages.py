"""Programs that this host needs, and the container engine that runs local machines."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tools.common.errors import ToolError
from tools.common.progress import Progress, run_logged, say

_SYSTEM_FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Need:
    """What one Debian package provides: a program on PATH, or at least one of several files."""

    package: str
    program: str = ""
    files: tuple[str, ...] = ()

    def is_met(self) -> bool:
        """Whether the program or one of the files exists."""
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
# The program connects with this client to the node that removes other nodes from the cluster.
SSH = (Need("openssh-client", "ssh"),)
MACHINE_IMAGE = (
    Need("mmdebstrap", "mmdebstrap"),
    Need("debian-archive-keyring", files=("/usr/share/keyrings/debian-archive-keyring.gpg",)),
)
# mmdebstrap needs this if the user is not root.
USER_NAMESPACES = (Need("uidmap", "newuidmap"),)
C_COMPILER = (
    Need("gcc", "gcc"),
    Need("libc6-dev", files=("/usr/include/*/sys/types.h", "/usr/include/sys/types.h")),
    Need("libseccomp-dev", files=("/usr/include/seccomp.h",)),
    Need("pkg-config", "pkg-config"),
)
# Tests that need one of these are skipped without it.
TESTS = (Need("restic", "restic"), Need("keepalived", "keepalived"))


def which(program: str) -> str | None:
    """Find a program on PATH or in the folders that only root has on PATH."""
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), _SYSTEM_FOLDERS]))


def engine() -> list[str]:
    """The command line of the container engine: $HARDWAY_ENGINE, or an engine that works on this host.

    With podman, the command line names runc if the host is not on cgroup v2. Docker is the choice if podman is neither
    installed nor installable, or if the user is not root: machines that run a kubelet need rights that rootless podman
    does not have. Raises ToolError if the choice cannot work.
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
    """The packages of the needs that are not met."""
    return [need.package for need in needs if not need.is_met()]


def ensure(needs: Iterable[Need], log: Path) -> None:
    """Install missing packages. Raises ToolError with the exact command if this user cannot install them."""
    packages = missing(needs)
    if not packages:
        return
    if not which("apt-get"):
        raise ToolError(
            f"missing on this host (names of Debian packages): {' '.join(packages)}; "
            "install them with the package manager of your system, and run make again"
        )
    if os.geteuid() != 0:
        raise ToolError(
            f"missing on this host: {' '.join(packages)}; run\n"
            f"  sudo apt-get update && sudo apt-get install -y --no-install-recommends {' '.join(packages)}\n"
            "and then run make again"
        )
    say(f"installing missing packages on this host: {' '.join(packages)}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with Progress("Debian packages") as progress:
        # A broken package source makes this command fail, but apt may still find the packages in other sources.
        with contextlib.suppress(ToolError):
            run_logged(["apt-get", "update"], log, progress, env=env)
        run_logged(["apt-get", "install", "-y", "--no-install-recommends", *packages], log, progress, env=env)
