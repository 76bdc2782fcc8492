"""The disk of a plain Debian with a kernel of its own, and a repository of the packages that the Debian lacks.

Like the image of plain hosts of the suite `onprem`, but a virtual machine boots it: with udev, a kernel whose modules
nothing has loaded, and swap that is on.
"""

import os
import re
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.onprem import image
from tools.common.paths import shared_cache
from tools.common.progress import Progress, run_logged
from tools.common.store import Store, digest_of, remove_tree
from tools.from_source import node_image
from tools.from_source.node_image import LEFT_OUT, SUITE, TAR
from tools.prepare import host_packages
from tools.prepare.host_packages import Need

NEEDS = (
    Need("qemu-system-x86", "qemu-system-x86_64"),
    Need("socat", "socat"),
    Need("e2fsprogs", "mke2fs"),
    *host_packages.MACHINE_IMAGE,
)
"""What the suite needs on this host, besides what local machines need."""
PACKAGES = (
    *(*image.PACKAGES, "linux-image-cloud-amd64", "initramfs-tools", "udev"),
    # Most hosts have these. In emulation their installation takes ten minutes, for the links of all authorities.
    *("openssl", "ca-certificates"),
)
LACKING = (*image.LACKING, "ipset")
"""Packages with programs that a cluster needs. `ipset` is what `proxyMode: ipvs` calls."""
ADDRESS, GATEWAY = "10.0.2.15", "10.0.2.2"
"""The addresses of the machine and of the other end of its wire, as QEMU's user network has them."""
SWAP_LABEL = "hardway-swap"
DISK, KERNEL, INITRD, SWAP, DEBS = "disk.img", "vmlinuz", "initrd.img", "swap.img", "debs"
_DISK_SIZE, _SWAP_BYTES = "12G", 256 << 20
_NETWORK = f"""\
[Match]
Type=ether
[Network]
Address={ADDRESS}/24
Gateway={GATEWAY}
"""
_SEED = """\
[Unit]
Description=Unpack the identity of this machine from its third disk
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
DefaultDependencies=no
RequiresMountsFor=/
After=systemd-remount-fs.service
Before=sysinit.target
[Service]
Type=oneshot
ExecStart=tar -xpf /dev/vdc -C /
[Install]
WantedBy=sysinit.target
"""
_FILES = {
    "etc/fstab": f"/dev/vda / ext4 errors=remount-ro 0 1\nLABEL={SWAP_LABEL} none swap sw 0 0\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/systemd/network/wire.network": _NETWORK,
    "etc/systemd/system/seed.service": _SEED,
}
_CUSTOMIZE = (
    f'chroot "$1" useradd --create-home --shell /bin/bash {image.USER}',
    f'echo "{image.USER} ALL=(ALL) NOPASSWD: ALL" >"$1"/etc/sudoers.d/{image.USER}',
    'chroot "$1" systemctl enable seed.service ssh.service systemd-networkd.service',
    'chroot "$1" systemctl disable systemd-networkd-wait-online.service',
    'chroot "$1" systemctl mask apt-daily.timer apt-daily-upgrade.timer',
    'chroot "$1" systemctl set-default multi-user.target',
    'rm -f "$1"/etc/ssh/ssh_host_* "$1"/var/lib/dbus/machine-id && : > "$1"/etc/machine-id',
    'rm -f "$1"/etc/resolv.conf "$1"/etc/hostname "$1"/etc/apt/sources.list && rm -rf "$1"/var/lib/apt/lists/*',
)
_LABEL = "disk of a virtual machine"


@dataclass(frozen=True)
class MachineDisk:
    """The folder with the disk, the swap area, the kernel and its first file system, and the packages."""

    folder: Path

    @property
    def packages(self) -> Path:
        """The folder of the package repository."""
        return self.folder / DEBS


def ensure() -> MachineDisk:
    """Make the disk if it does not exist. Raises ToolError if this host lacks packages that it cannot install."""
    host_packages.ensure(NEEDS, shared_cache() / "log" / "apt.log")
    store = Store(shared_cache() / "store")
    recipe = ("virtual-machine-1", SUITE, PACKAGES, LACKING, _CUSTOMIZE, LEFT_OUT, _FILES, _DISK_SIZE, _SWAP_BYTES)
    return MachineDisk(store.make("virtual-machine", digest_of(*recipe), _make))


def _make(folder: Path) -> None:
    log = shared_cache() / "log" / "virtual-machine.log"
    tar, root, debs, overlay = folder / TAR, folder / "root", folder / DEBS, folder / "overlay"
    for name, text in _FILES.items():
        path = overlay / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    hooks = [f"copy-in {overlay}/etc /", *image.downloads(debs, LACKING), *_CUSTOMIZE]
    with Progress(_LABEL) as progress:
        node_image.bootstrap(tar, PACKAGES, hooks, log, progress)
        image.write_index(debs)
        with tarfile.open(tar) as packed:
            for target, pattern in ((KERNEL, r"\./boot/vmlinuz-.+"), (INITRD, r"\./boot/initrd\.img-.+")):
                (member,) = (name for name in packed.getnames() if re.fullmatch(pattern, name))
                found = packed.extractfile(member)
                assert found is not None
                with found, (folder / target).open("wb") as kept:
                    shutil.copyfileobj(found, kept)
        root.mkdir(mode=0o755)
        run_logged(["tar", "--numeric-owner", "-xpf", str(tar), "-C", str(root)], log, progress)
        run_logged(["mke2fs", "-q", "-t", "ext4", "-d", str(root), str(folder / DISK), _DISK_SIZE], log, progress)
        swap = folder / SWAP
        swap.touch()
        os.truncate(swap, _SWAP_BYTES)
        run_logged(["mkswap", "--label", SWAP_LABEL, str(swap)], log, progress)
        tar.unlink()
        remove_tree(root)
        remove_tree(overlay)
