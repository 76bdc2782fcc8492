"""What an instance does when it boots for the first time: the user data for cloud-init. Pure text."""

from __future__ import annotations

import json
from dataclasses import dataclass

from components.config.aws import DATA_DIRECTORY
from components.config.ports import SSH

USER = "hardway"
ETCD_UID = 961
"""A fixed number: the data volume keeps the files' owner while machines come and go."""

# What a node needs of the operating system besides what every cloud image has.
PACKAGES = (
    *("ca-certificates", "curl", "iproute2", "iptables", "nftables", "conntrack", "ipset", "ethtool", "socat"),
    *("kmod", "procps", "haproxy"),
)
_UNIT = "var-lib-etcd.mount"
_SSHD = "/etc/ssh/sshd_config.d/hardway-port.conf"

# Ends when cloud-init is done, whether or not with warnings: what it left out shows in a release that does not start.
WAIT = "cloud-init status --wait >/dev/null 2>&1 || true"
WAIT_FOR_DATA = (
    f"{WAIT}; n=0; until mountpoint -q {DATA_DIRECTORY}; do n=$((n + 1)); "
    f"if [ $n -gt 150 ]; then echo the data volume is not mounted at {DATA_DIRECTORY} >&2; exit 1; fi; "
    f"systemctl start {_UNIT} || true; sleep 2; done"
)


@dataclass(frozen=True)
class Keys:
    """Keys for SSH in OpenSSH's form: the host's own, and the one of the user who may log in."""

    host_private: str
    host_public: str
    user_public: str


def user_data(name: str, keys: Keys, *, volume: str | None = None, bastion_port: int | None = None) -> str:
    """The user data of a machine; `volume` is the id of its data volume. With `bastion_port` it is a bastion.

    cloud-init installs the host's key before the SSH server starts, so the very first connection finds the one that
    the program expects.
    """
    user = {
        "name": USER,
        "gecos": "Operator",
        "shell": "/bin/bash",
        "lock_passwd": True,
        "ssh_authorized_keys": [keys.user_public.strip()],
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
    elif bastion_port != SSH:
        # Written before the SSH server starts, as its key is.
        config["write_files"] = [{"path": _SSHD, "content": f"Port {bastion_port}\n"}]
    if volume:
        config["users"] = [*config["users"], _etcd()]  # type: ignore[misc]
        config["bootcmd"] = [["cloud-init-per", "once", "hardway-data", "sh", "-c", _mount(volume)]]
    return f"#cloud-config\n{json.dumps(config, indent=1)}\n"


def _etcd() -> dict[str, object]:
    return {"name": "etcd", "system": True, "uid": ETCD_UID, "no_create_home": True, "shell": "/usr/sbin/nologin"}


def _mount(volume: str) -> str:
    """Mount the data volume when it appears, now and at every boot, and make a file system on it if it has none.

    The name by id is Nitro's: other names of a disk change from boot to boot. etcd does not start without it, or a
    member would begin anew on the root volume.
    """
    device = f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{volume.replace('-', '')}"
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
