"""The image of a local machine: a small Debian that boots systemd in a container.

mmdebstrap makes a root file system as a tar in the store; the container engine imports it. An engine that has lost the
image gets it from the tar again.
"""

import io
import os
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

from tools.paths import TOOLS
from tools.progress import Progress, run_logged
from tools.store import Store, digest_of, folder_digest, write_record

NAME = "localhost/hardway-node"
SUITE = "bookworm"
TAR = "rootfs.tar"
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "openssh-server", "ca-certificates", "curl"),
    *("iproute2", "iptables", "nftables", "conntrack", "ipset", "ethtool", "socat", "iputils-ping"),
    *("kmod", "procps", "passwd", "mount", "util-linux", "haproxy", "nginx-light"),
)
# Of no use in a container, or started by the cluster's own units only.
NEVER = (
    *("systemd-udevd.service", "systemd-udevd-control.socket", "systemd-udevd-kernel.socket", "systemd-logind.service"),
    *("getty.target", "console-getty.service", "systemd-binfmt.service", "systemd-modules-load.service"),
    *("sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-kernel-config.mount", "dev-hugepages.mount"),
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer", "e2scrub_all.timer"),
    *("e2scrub_reap.service", "logrotate.timer", "systemd-pstore.service"),
)
_DISABLED = ("haproxy.service", "nginx.service", "nftables.service")
FILES = TOOLS / "machine" / "files"
_EXECUTABLE = {"usr/local/lib/hardway/boot"}
_CUSTOMIZE = (
    f'chroot "$1" systemctl disable {" ".join(_DISABLED)}',
    'chroot "$1" systemctl enable hardway-boot.service ssh.service',
    'chroot "$1" systemctl set-default multi-user.target',
    # Every machine gets an identity of its own at boot. The engine provides the other two files.
    'rm -f "$1"/etc/ssh/ssh_host_* "$1"/var/lib/dbus/machine-id && : > "$1"/etc/machine-id',
    'rm -f "$1"/etc/resolv.conf "$1"/etc/hostname "$1"/etc/nginx/sites-enabled/default',
    'rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/* "$1"/var/log/*',
)
LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")


def digest() -> str:
    """Digest everything that decides what the image becomes, but the state of Debian's archive."""
    files = {str(path.relative_to(FILES)): path for path in FILES.rglob("*") if path.is_file()}
    return digest_of("machine-1", SUITE, PACKAGES, NEVER, _CUSTOMIZE, LEFT_OUT, folder_digest(files))


def reference() -> str:
    """Name the image in the engine."""
    return f"{NAME}:{digest()[:12]}"


def is_ready(engine: list[str], store: Store) -> bool:
    """Whether the root file system is made and the engine has the image."""
    return store.has("machine", digest()) and _has_image(engine, reference())


def root_file_system(store: Store, progress: Progress) -> Path:
    """Make the tar with mmdebstrap unless it is finished."""
    return store.make("machine", digest(), lambda folder: _make(store, folder, progress)) / TAR


def ensure(engine: list[str], store: Store, progress: Progress) -> str:
    """Give the engine the image; return its name."""
    tar = root_file_system(store, progress)
    with store.exclusive("machine-import"):
        give(engine, tar, reference(), _log(store), progress)
    return reference()


def give(engine: list[str], tar: Path, name: str, log: Path, progress: Progress) -> None:
    """Give the engine a root file system that boots, under this name, unless it has it."""
    if _has_image(engine, name):
        return
    changes = ['CMD ["/sbin/init"]']
    if engine[0] == "podman":  # docker takes the signal only when it runs the container
        changes.append("STOPSIGNAL SIGRTMIN+3")
    options = [option for change in changes for option in ("--change", change)]
    run_logged([*engine, "import", *options, str(tar), name], log, progress)


def bootstrap(tar: Path, packages: Sequence[str], hooks: Sequence[str], log: Path, progress: Progress) -> None:
    """Make a root file system of Debian with mmdebstrap; `hooks` are its customize hooks."""
    mirror = os.environ.get("HARDWAY_DEBIAN_MIRROR")
    command = [
        "mmdebstrap",
        "--variant=minbase",
        f"--include={','.join(packages)}",
        '--aptopt=Acquire::Languages "none"',
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
        *(f"--customize-hook={hook}" for hook in hooks),
        SUITE,
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
    """Write our files over the distribution's, with rights that do not depend on how the clone was checked out."""
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
