"""A container image in the place of a cloud image: Debian with systemd, the real cloud-init, and sudo.

Like the image of local machines it contains all packages, so cloud-init has nothing to install.
"""

import io
import tarfile
from pathlib import Path

import yaml

from tools.common.paths import shared_cache
from tools.common.progress import Progress
from tools.common.store import Store, digest_of, folder_digest, write_record
from tools.from_source import node_image
from tools.from_source.node_image import LEFT_OUT, NEVER, PACKAGES, SUITE, TAR

NAME = "localhost/hardway-cloud-host"
VOLUME = "/var/volumes/data"
"""The folder that simulates a data volume."""
_MORE = ("cloud-init", "sudo")
_FILES = {
    # cloud-init reads a folder of the machine instead of AWS' metadata service, and the engine configures the network.
    "etc/cloud/cloud.cfg.d/90-stand-in.cfg": yaml.safe_dump(
        {
            "datasource_list": ["NoCloud"],
            "network": {"config": "disabled"},
            "apt": {"preserve_sources_list": True},
        }
    ),
    # systemd would generate a unit from /etc/fstab that waits for a disk. This unit replaces that unit.
    "etc/systemd/system/var-lib-etcd.mount": (
        f"[Unit]\nRequires=data-volume.service\nAfter=data-volume.service\n"
        f"[Mount]\nWhat={VOLUME}\nWhere=/var/lib/etcd\nType=none\nOptions=bind\n"
    ),
    "etc/systemd/system/data-volume.service": (
        f"[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nExecStart=/bin/mkdir -p {VOLUME}\n"
    ),
}
_CUSTOMIZE = (
    'chroot "$1" systemctl disable haproxy.service nginx.service nftables.service',
    'chroot "$1" systemctl enable hardway-boot.service ssh.service',
    'chroot "$1" systemctl set-default multi-user.target',
    'rm -f "$1"/etc/ssh/ssh_host_* "$1"/var/lib/dbus/machine-id && : > "$1"/etc/machine-id',
    'rm -f "$1"/etc/resolv.conf "$1"/etc/hostname "$1"/etc/apt/sources.list "$1"/etc/nginx/sites-enabled/default',
    # The modules belong to the host. A machine in AWS has them.
    'ln -sf /bin/true "$1"/usr/sbin/modprobe',
    'rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/* "$1"/var/log/*',
)


def ensure(engine: list[str]) -> str:
    """Make the image if it does not exist. Return its name in the engine."""
    store = Store(shared_cache() / "store")
    files = folder_digest({str(f.relative_to(node_image.FILES)): f for f in node_image.FILES.rglob("*") if f.is_file()})
    digest = digest_of("cloud-host-1", SUITE, PACKAGES, _MORE, NEVER, _FILES, _CUSTOMIZE, LEFT_OUT, files)
    folder = store.make("cloud-host", digest, _make)
    reference = f"{NAME}:{digest[:12]}"
    node_image.give(engine, folder / TAR, reference, _log(), Progress("image of cloud hosts"))
    return reference


def _log() -> Path:
    return shared_cache() / "log" / "cloud-host.log"


def _make(folder: Path) -> None:
    machine, own = folder / "machine.tar", folder / "own.tar"
    node_image.write_overlay(machine)
    with tarfile.open(own, "w") as tar:
        for name, text in _FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
    hooks = [f"tar-in {machine} /", f"tar-in {own} /", *_CUSTOMIZE]
    node_image.bootstrap(folder / TAR, [*PACKAGES, *_MORE], hooks, _log(), Progress("image of cloud hosts"))
    machine.unlink()
    own.unlink()
    write_record(folder)
