"""The image of a local machine: a small Debian that boots systemd in a container.

mmdebstrap makes a root file system as a tar file in the store, and the container engine imports the tar file. If the
engine has lost the image, then it imports the tar file again.
"""

import io
import os
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

from tools.common import node_images
from tools.common.paths import NODE_IMAGE
from tools.common.progress import Progress, run_logged
from tools.common.store import Store, digest_of, folder_digest, write_record

SUITE = "bookworm"
TAR = "rootfs.tar"
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "openssh-server", "ca-certificates", "curl"),
    *("iproute2", "iptables", "nftables", "conntrack", "ipset", "ethtool", "socat", "iputils-ping"),
    *("kmod", "procps", "passwd", "mount", "util-linux", "haproxy", "nginx-light", "restic"),
)
# Masked units: useless in a container, or started only by units of the cluster.
NEVER = (
    *("systemd-udevd.service", "systemd-udevd-control.socket", "systemd-udevd-kernel.socket", "systemd-logind.service"),
    *("getty.target", "console-getty.service", "systemd-binfmt.service", "systemd-modules-load.service"),
    *("sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-kernel-config.mount", "dev-hugepages.mount"),
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer", "e2scrub_all.timer"),
    *("e2scrub_reap.service", "logrotate.timer", "systemd-pstore.service"),
)
_DISABLED = ("haproxy.service", "nginx.service", "nftables.service")
FILES = Path(__file__).with_name("machine") / "files"
_EXECUTABLE = {"usr/local/lib/hardway/boot"}
_CUSTOMIZE = (
    f'chroot "$1" systemctl disable {" ".join(_DISABLED)}',
    'chroot "$1" systemctl enable hardway-boot.service ssh.service',
    'chroot "$1" systemctl set-default multi-user.target',
    # Every machine gets its own identity at boot. The engine provides resolv.conf and hostname.
    'rm -f "$1"/etc/ssh/ssh_host_* "$1"/var/lib/dbus/machine-id && : > "$1"/etc/machine-id',
    'rm -f "$1"/etc/resolv.conf "$1"/etc/hostname "$1"/etc/nginx/sites-enabled/default',
    'rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/* "$1"/var/log/*',
)
LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")


def digest() -> str:
    """The digest of all inputs of the image, except the state of Debian's archive."""
    files = {str(path.relative_to(FILES)): path for path in FILES.rglob("*") if path.is_file()}
    return digest_of("machine-1", SUITE, PACKAGES, NEVER, _CUSTOMIZE, LEFT_OUT, folder_digest(files))


def reference() -> str:
    """The name of the image in the engine."""
    return f"{NODE_IMAGE}:{digest()[:12]}"


def is_ready(engine: list[str], store: Store) -> bool:
    """Whether the root file system exists and the engine has the image."""
    return store.has("machine", digest()) and _has_image(engine, reference())


def root_file_system(store: Store, progress: Progress) -> Path:
    """Make the tar file with mmdebstrap if it does not exist. Return its path."""
    return store.make("machine", digest(), lambda folder: _make(store, folder, progress)) / TAR


def ensure(engine: list[str], store: Store, progress: Progress) -> str:
    """Import the image into the engine, and remove images with other digests. Return the name."""
    tar = root_file_system(store, progress)
    with store.exclusive("machine-import"):
        if not _has_image(engine, reference()):
            give(engine, tar, reference(), _log(store), progress)
            node_images.remove(engine, (name for name in node_images.names(engine) if name != reference()))
    return reference()


def give(engine: list[str], tar: Path, name: str, log: Path, progress: Progress) -> None:
    """Import a root file system that boots into the engine under this name, if the engine does not have it."""
    if _has_image(engine, name):
        return
    changes = ['CMD ["/sbin/init"]']
    if engine[0] == "podman":  # docker takes this signal only as an option of `run`
        changes.append("STOPSIGNAL SIGRTMIN+3")
    options = [option for change in changes for option in ("--change", change)]
    run_logged([*engine, "import", *options, str(tar), name], log, progress)


def bootstrap(
    tar: Path, packages: Sequence[str], hooks: Sequence[str], log: Path, progress: Progress, suite: str = SUITE
) -> None:
    """Make a root file system of Debian with mmdebstrap. `hooks` are customize hooks of mmdebstrap."""
    mirror = os.environ.get("HARDWAY_DEBIAN_MIRROR")
    command = [
        "mmdebstrap",
        "--variant=minbase",
        f"--include={','.join(packages)}",
        '--aptopt=Acquire::Languages "none"',
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
        *(f"--customize-hook={hook}" for hook in hooks),
        suite,
        str(tar),
        *([mirror] if mirror else []),
    ]
    run_logged(command, log, progress, env={**os.environ, "LC_ALL": "C.UTF-8"})


def _has_image(engine: list[str], name: str) -> bool:
    command = [*engine, "image", "inspect", "--format", "{{.Id}}", name]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _log(store: Store) -> Path:
    return store.root.parent / "log" / "machine.log"


def _make(store: Store, folder: Path, progress: Progress) -> None:
    overlay = folder / "overlay.tar"
    write_overlay(overlay)
    bootstrap(folder / TAR, PACKAGES, [f"tar-in {overlay} /", *_CUSTOMIZE], _log(store), progress)
    overlay.unlink()
    write_record(folder)


def write_overlay(path: Path) -> None:
    """Write a tar file with our files and masked units, with modes that do not depend on the checkout of the clone."""
    with tarfile.open(path, "w") as tar:
        for directory, mode in (("root/.ssh", 0o700), ("opt/kubernetes", 0o755)):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            tar.addfile(entry)
        for file in sorted(path for path in FILES.rglob("*") if path.is_file()):
            entry = tarfile.TarInfo(str(file.relative_to(FILES)))
            content = file.read_bytes()
            entry.size, entry.mode = len(content), 0o755 if entry.name in _EXECUTABLE else 0o644
            tar.addfile(entry, io.BytesIO(content))
        for unit in NEVER:
            entry = tarfile.TarInfo(f"etc/systemd/system/{unit}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "/dev/null"
            tar.addfile(entry)
