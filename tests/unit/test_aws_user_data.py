"""What a machine in AWS does at its first boot."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from components.machines.aws.user_data import ETCD_UID, USER, WAIT, Keys, user_data, wait_for_data

KEYS = Keys("-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n", "ssh-ed25519 HOST\n", ["ssh-ed25519 USER"])
VOLUME = "vol-0123456789abcdef0"


def config(text: str) -> dict[str, object]:
    first, _, rest = text.partition("\n")
    assert first == "#cloud-config"
    return yaml.safe_load(rest)


def test_the_hosts_key_is_the_one_that_the_program_knows() -> None:
    found = config(user_data("worker-1", KEYS))
    assert found["hostname"] == "worker-1"
    assert found["ssh_keys"] == {"ed25519_private": KEYS.host_private, "ed25519_public": "ssh-ed25519 HOST"}
    assert found["ssh_deletekeys"] is True


def test_one_user_gets_in_by_key_and_nobody_by_password() -> None:
    found = config(user_data("worker-1", KEYS))
    (user,) = found["users"]
    assert (user["name"], user["ssh_authorized_keys"], user["lock_passwd"]) == (USER, ["ssh-ed25519 USER"], True)
    assert user["sudo"] == "ALL=(ALL) NOPASSWD:ALL"
    assert (found["ssh_pwauth"], found["disable_root"]) == (False, True)


def test_a_bastion_gives_no_rights_and_installs_nothing() -> None:
    found = config(user_data("bastion", KEYS, bastion_port=22))
    assert "sudo" not in found["users"][0]
    assert not {"packages", "bootcmd"} & set(found)


@pytest.mark.parametrize("port", [22, 443])
def test_a_bastion_installs_security_updates(port: int, tmp_path: Path) -> None:
    first, *_ = config(user_data("bastion", KEYS, bastion_port=port))["write_files"]
    assert first["path"] == "/etc/apt/apt.conf.d/90-hardway"
    settings = dict(re.findall(r'^([\w:-]+) "([^"]*)";$', first["content"], re.MULTILINE))
    assert len(settings) == len(first["content"].splitlines())
    assert settings["APT::Periodic::Unattended-Upgrade"] == settings["APT::Periodic::Update-Package-Lists"] == "1"
    assert settings["Unattended-Upgrade::Automatic-Reboot"] == "true"
    assert settings["Unattended-Upgrade::Automatic-Reboot-Time"] == "05:00"
    if shutil.which("apt-config"):
        (tmp_path / "apt.conf").write_text(first["content"])
        environment = {"APT_CONFIG": str(tmp_path / "apt.conf"), "PATH": os.environ["PATH"]}
        read = subprocess.run(["apt-config", "dump"], env=environment, capture_output=True, text=True, check=True)
        assert 'APT::Periodic::Unattended-Upgrade "1";' in read.stdout


def test_a_bastion_listens_where_the_page_says() -> None:
    _, file = config(user_data("bastion", KEYS, bastion_port=443))["write_files"]
    assert file == {"path": "/etc/ssh/sshd_config.d/hardway-port.conf", "content": "Port 443\n"}


def test_the_same_input_gives_the_same_text_in_every_run() -> None:
    """The text does not depend on the order of sets, because another text would be another machine."""
    call = f"user_data('cp-1', Keys('a', 'b', 'c'), volume={VOLUME!r})"
    program = f"from components.machines.aws.user_data import *; print({call})"
    runs = [
        subprocess.run([sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True)
        for seed in ("1", "2", "3")
    ]
    assert len({run.stdout for run in runs}) == 1
    assert runs[0].stdout.decode().startswith("#cloud-config")


def test_a_member_of_etcd_mounts_its_volume_by_a_name_that_stays() -> None:
    found = config(user_data("cp-1", KEYS, volume=VOLUME))
    (command,) = found["bootcmd"]
    script = command[-1]
    assert command[:3] == ["cloud-init-per", "once", "hardway-data"]
    device = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0"
    assert f"{device} /var/lib/etcd ext4 noatime,nofail,x-systemd.makefs" in script
    assert "RequiresMountsFor=/var/lib/etcd" in script
    etcd = found["users"][1]
    assert (etcd["name"], etcd["uid"], etcd["system"]) == ("etcd", ETCD_UID, True)
    assert "bootcmd" not in config(user_data("worker-1", KEYS))


@pytest.mark.parametrize("told", [VOLUME, "vol-0fedcba9876543210"], ids=["the same volume", "a volume that is gone"])
def test_a_member_mounts_the_volume_that_it_has(tmp_path: Path, told: str) -> None:
    """A machine that is made anew boots with the user data of the first one."""
    fstab, log = tmp_path / "fstab", tmp_path / "log"
    (line,) = re.findall("echo '(.*)' >>/etc/fstab", config(user_data("cp-1", KEYS, volume=told))["bootcmd"][0][-1])
    root = "UUID=0123 / ext4 defaults 0 1"
    fstab.write_text(f"{root}\n{line}\n")
    for name, does in {"cloud-init": ":", "systemctl": f'echo "$*" >>{log}', "mountpoint": f"test -e {log}"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    script = wait_for_data(VOLUME).replace("/etc/fstab", str(fstab))
    path = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run(["sh", "-euc", script], env={"PATH": path}, check=True, timeout=30)
    device = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0"
    options = "ext4 noatime,nofail,x-systemd.makefs,x-systemd.device-timeout=15min 0 2"
    assert fstab.read_text() == f"{root}\n{device} /var/lib/etcd {options}\n"
    assert ("daemon-reload" in log.read_text()) == (told != VOLUME)


def test_scripts_are_posix_and_fit_between_single_quotes() -> None:
    (command,) = config(user_data("cp-1", KEYS, volume=VOLUME))["bootcmd"]
    for script in (command[-1], WAIT, wait_for_data(VOLUME)):
        subprocess.run(["sh", "-n", "-c", script], check=True)
    for script in (WAIT, wait_for_data(VOLUME)):
        assert "'" not in script


def test_user_data_fits_into_what_aws_takes() -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "x" * 420
    keys = Keys(key, "ssh-ed25519 " + "y" * 80, "ssh-ed25519 " + "z" * 80)
    assert len(user_data("a" * 63, keys, volume=VOLUME).encode()) < 16 * 1024
