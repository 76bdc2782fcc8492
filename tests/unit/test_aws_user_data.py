"""What a machine in AWS does at its first boot."""

import subprocess
import sys

import yaml

from components.machines.aws.user_data import ETCD_UID, USER, WAIT, WAIT_FOR_DATA, Keys, user_data

KEYS = Keys("-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n", "ssh-ed25519 HOST\n", "ssh-ed25519 USER\n")
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
    assert not {"packages", "bootcmd", "write_files"} & set(found)


def test_a_bastion_listens_where_the_page_says() -> None:
    (file,) = config(user_data("bastion", KEYS, bastion_port=443))["write_files"]
    assert file == {"path": "/etc/ssh/sshd_config.d/hardway-port.conf", "content": "Port 443\n"}


def test_the_same_input_gives_the_same_text_in_every_run() -> None:
    """Whatever order Python gives to sets: a text that differs would be a machine that differs."""
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


def test_scripts_are_posix_and_fit_between_single_quotes() -> None:
    (command,) = config(user_data("cp-1", KEYS, volume=VOLUME))["bootcmd"]
    for script in (command[-1], WAIT, WAIT_FOR_DATA):
        subprocess.run(["sh", "-n", "-c", script], check=True)
    for script in (WAIT, WAIT_FOR_DATA):
        assert "'" not in script


def test_user_data_fits_into_what_aws_takes() -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "x" * 420
    keys = Keys(key, "ssh-ed25519 " + "y" * 80, "ssh-ed25519 " + "z" * 80)
    assert len(user_data("a" * 63, keys, volume=VOLUME).encode()) < 16 * 1024
