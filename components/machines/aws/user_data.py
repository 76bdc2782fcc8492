"""The user data for cloud-init: what an instance does at its first boot. Pure text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from components.config.aws import DATA_DIRECTORY
from components.config.ports import SSH

USER = "hardway"
ETCD_UID = 961
"""A fixed number: the files on a data volume keep their owner if the machine is replaced."""

# Packages that a node needs and that not every cloud image has.
PACKAGES = (
    *("ca-certificates", "curl", "iproute2", "iptables", "nftables", "conntrack", "ipset", "ethtool", "socat"),
    *("kmod", "procps", "haproxy"),
)
_UNIT = "var-lib-etcd.mount"
_APT = "/etc/apt/apt.conf.d/90-hardway"
_UPDATES = """\
APT::Periodic::Enable "1";
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
Unattended-Upgrade::Automatic-Reboot "true";
Unattended-Upgrade::Automatic-Reboot-Time "05:00";
"""
"""Security updates every day, with the unattended-upgrades of the image. Nobody logs in at a bastion to do this. The
time is not that of the nightly renewal (.github/workflows/renew.yml), which goes through the bastion."""
_SSHD = "/etc/ssh/sshd_config.d/hardway-port.conf"

# Ends when cloud-init is done, with or without warnings: if something is missing, then the release does not start.
WAIT = "cloud-init status --wait >/dev/null 2>&1 || true"


@dataclass(frozen=True)
class Keys:
    """SSH keys in OpenSSH's format: the key pair of the host, and the public keys of the user who may log in."""

    host_private: str
    host_public: str
    user_public: Sequence[str]


def user_data(name: str, keys: Keys, *, volume: str | None = None, bastion_port: int | None = None) -> str:
    """The user data of a machine; `volume` is the id of its data volume. With `bastion_port` the machine is a bastion.

    cloud-init installs the host key before the SSH server starts, so the very first connection finds the key that the
    program expects.
    """
    user = {
        "name": USER,
        "gecos": "Operator",
        "shell": "/bin/bash",
        "lock_passwd": True,
        "ssh_authorized_keys": list(keys.user_public),
    }
    config: dict[str, object] = {
        "hostname": name,
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": keys.host_private, "ed25519_public": keys.host_public.strip()},
        "ssh_pwauth": False,
        "disable_root": True,
        "users": [user if bastion_port else {**user, "sudo": "ALL=(ALL) NOPASSWD:ALL"}],
    }
    if bastion_port is None:
        config |= {"package_update": True, "packages": list(PACKAGES)}
    else:
        files = [{"path": _APT, "content": _UPDATES}]
        if bastion_port != SSH:
            # Written before the SSH server starts, like its host key.
            files.append({"path": _SSHD, "content": f"Port {bastion_port}\n"})
        config["write_files"] = files
    if volume:
        config["users"] = [*config["users"], _etcd()]  # type: ignore[misc]
        config["bootcmd"] = [["cloud-init-per", "once", "hardway-data", "sh", "-c", _mount(volume)]]
    return f"#cloud-config\n{json.dumps(config, indent=1)}\n"


def _etcd() -> dict[str, object]:
    return {"name": "etcd", "system": True, "uid": ETCD_UID, "no_create_home": True, "shell": "/usr/sbin/nologin"}


def _mount(volume: str) -> str:
    """Mount the data volume when it appears, now and at every boot; create a file system if the volume has none.

    Nitro instances name a disk by its id; its other names may change at a boot. etcd does not start without the volume:
    otherwise a member would start without its data, on the root volume.
    """
    device = _device(volume)
    options = "noatime,nofail,x-systemd.makefs,x-systemd.device-timeout=15min"
    drop_in = "/etc/systemd/system/etcd.service.d"
    return "\n".join(
        [
            "set -eu",
            f"mkdir -p {DATA_DIRECTORY} {drop_in}",
            f"echo '{device} {DATA_DIRECTORY} ext4 {options} 0 2' >>/etc/fstab",
            f"printf '[Unit]\\nRequiresMountsFor={DATA_DIRECTORY}\\n' >{drop_in}/data-volume.conf",
            "systemctl daemon-reload",
            f"systemctl start --no-block {_UNIT}",
        ]
    )


def wait_for_data(volume: str) -> str:
    """The script that ends once the data volume is mounted. Like `WAIT`, it runs as root and has no single quotes.

    An instance that Pulumi replaces on demand gets the user data of the instance before it (`ignore_changes`), which
    may name a volume that is gone. So the machine is told its volume once more, by the command that stages the release.
    """
    mount, another = f"$disk {DATA_DIRECTORY} ", f"{_device('')}[^ ]* {DATA_DIRECTORY} "
    return (
        f'{WAIT}; disk={_device(volume)}; grep -q "^{mount}" /etc/fstab || '
        f'{{ sed -i "s,^{another},{mount}," /etc/fstab; systemctl daemon-reload; }}; '
        f"n=0; until mountpoint -q {DATA_DIRECTORY}; do n=$((n + 1)); "
        f"if [ $n -gt 150 ]; then echo the data volume is not mounted at {DATA_DIRECTORY} >&2; exit 1; fi; "
        f"systemctl start {_UNIT} || true; sleep 2; done"
    )


def _device(volume: str) -> str:
    """The name of a data volume on Nitro instances."""
    return f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{volume.replace('-', '')}"
