"""A container image of a plain Debian with an SSH server and a user with sudo, and a repository of missing packages.

The image is made like the image of local machines, but without the programs that a cluster needs. The stack has to
install these programs from the repository, which the mirror of the suite serves.
"""

import hashlib
import io
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.common.paths import shared_cache
from tools.common.progress import Progress
from tools.common.store import Store, digest_of, folder_digest, write_record
from tools.from_source import node_image
from tools.from_source.node_image import FILES, LEFT_OUT, NEVER, SUITE, TAR

NAME = "localhost/hardway-plain-host"
USER = "ops"
PACKAGES = ("systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "iproute2")
LACKING = ("haproxy", "keepalived", "iptables", "nftables", "conntrack", "kmod", "curl", "ca-certificates")
"""Packages with the programs that a cluster needs. They are installed with their dependencies."""
_BOOT = ("usr/local/lib/hardway/boot", "etc/systemd/system/hardway-boot.service")
"""Files that make a container a machine: shared mounts, no route out of the local network."""
_DEBS = "debs"
_CUSTOMIZE = (
    f'chroot "$1" useradd --create-home --shell /bin/bash {USER}',
    f'echo "{USER} ALL=(ALL) NOPASSWD: ALL" >"$1"/etc/sudoers.d/{USER}',
    'chroot "$1" systemctl enable hardway-boot.service ssh.service',
    'chroot "$1" systemctl set-default multi-user.target',
    'rm -f "$1"/etc/ssh/ssh_host_* "$1"/var/lib/dbus/machine-id && : > "$1"/etc/machine-id',
    'rm -f "$1"/etc/resolv.conf "$1"/etc/hostname "$1"/etc/apt/sources.list && rm -rf "$1"/var/lib/apt/lists/*',
)


@dataclass(frozen=True)
class HostImage:
    """The name of the image in the engine, and the folder of the package repository."""

    reference: str
    packages: Path


def ensure(engine: list[str]) -> HostImage:
    """Make the image and the repository if they do not exist."""
    store = Store(shared_cache() / "store")
    files = folder_digest({name: FILES / name for name in _BOOT})
    digest = digest_of("plain-host-2", SUITE, PACKAGES, LACKING, NEVER, _CUSTOMIZE, LEFT_OUT, files)
    folder = store.make("plain-host", digest, _make)
    reference = f"{NAME}:{digest[:12]}"
    node_image.give(engine, folder / TAR, reference, _log(), Progress("image of plain hosts"))
    return HostImage(reference, folder / _DEBS)


def downloads(debs: Path, packages: Sequence[str]) -> list[str]:
    """The hooks of mmdebstrap that download packages, with the dependencies that are lacking, into a new folder."""
    debs.mkdir()
    download = f"apt-get --yes --no-install-recommends --download-only install {' '.join(packages)}"
    return [
        'rm -f "$1"/var/cache/apt/archives/*.deb',
        f"APT_CONFIG=$MMDEBSTRAP_APT_CONFIG {download}",
        f'for f in "$1"/var/cache/apt/archives/*.deb; do mv "$f" {debs}/; done',
    ]


def write_index(debs: Path) -> None:
    """Make a flat repository of a folder with packages."""
    (debs / "Packages").write_text("\n".join(_stanza(deb) for deb in sorted(debs.glob("*.deb"))))


def _log() -> Path:
    return shared_cache() / "log" / "plain-host.log"


def _make(folder: Path) -> None:
    overlay, debs = folder / "overlay.tar", folder / _DEBS
    _write_overlay(overlay)
    hooks = [f"tar-in {overlay} /", *downloads(debs, LACKING), *_CUSTOMIZE]
    node_image.bootstrap(folder / TAR, PACKAGES, hooks, _log(), Progress("image of plain hosts"))
    overlay.unlink()
    write_index(debs)
    write_record(folder)


def _stanza(deb: Path) -> str:
    """The entry of a package in the index of a flat repository: deb(5) and "DebianRepository/Format"."""
    control = subprocess.run(["dpkg-deb", "--field", deb], capture_output=True, text=True, check=True).stdout
    data = deb.read_bytes()
    return f"{control}Filename: ./{deb.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"


def _write_overlay(path: Path) -> None:
    with tarfile.open(path, "w") as tar:
        for name in _BOOT:
            content = (node_image.FILES / name).read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644 if name.endswith(".service") else 0o755
            tar.addfile(entry, io.BytesIO(content))
        for unit in NEVER:
            entry = tarfile.TarInfo(f"etc/systemd/system/{unit}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "/dev/null"
            tar.addfile(entry)
