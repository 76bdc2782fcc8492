"""Access to a machine: OpenSSH's command line with pinned host keys, connections of Pulumi, lines for operators."""

import asyncio
import itertools
import os
import socket
import subprocess
from pathlib import Path

import pulumi
import pytest

from components.machines.connection import connection, shell_prefix
from components.machines.ssh import Access, Client, Route, pinned

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
ROUTE = Route("192.168.10.11", 2200, "ops", KEY)
BASTION = Route("bastion.example.com", 2222, "jump", KEY)


def options(command: list[str]) -> dict[str, str]:
    """The `-o` options of a command line."""
    pairs = itertools.pairwise(command)
    return dict(value.split("=", 1) for flag, value in pairs if flag == "-o")


def test_the_client_trusts_only_the_given_host_key(tmp_path: Path) -> None:
    command = Client(tmp_path, None, None).command("node1", ROUTE, "true")
    assert command[:4] == ["ssh", "-F", "none", "-T"]
    assert command[-7:] == ["-p", "2200", "-l", "ops", "--", "192.168.10.11", "true"]
    given = options(command)
    assert given["StrictHostKeyChecking"] == "yes"
    assert (given["GlobalKnownHostsFile"], given["UpdateHostKeys"], given["BatchMode"]) == ("none", "no", "yes")
    assert given["HostKeyAlgorithms"] == "ssh-ed25519"
    assert Path(given["UserKnownHostsFile"]).read_text() == f"node1 {KEY}\n"
    assert (given["HostKeyAlias"], given["IdentityFile"]) == ("node1", "none")


def test_only_the_given_key_is_offered_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    command = Client(tmp_path, None, "the key").command("node1", ROUTE)
    file = Path(command[command.index("-i") + 1])
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("the key\n", 0o600)
    assert options(command)["IdentitiesOnly"] == "yes"


def test_a_bastion_needs_its_host_key_as_well(tmp_path: Path) -> None:
    through = options(Client(tmp_path, BASTION, None).command("node1", ROUTE))["ProxyCommand"]
    assert through.endswith("-p 2222 -l jump -W [%h]:%p -- bastion.example.com")
    assert "StrictHostKeyChecking=yes" in through and f"UserKnownHostsFile={tmp_path}/known-the-bastion" in through


def test_a_key_of_type_rsa_is_not_used_with_sha_1(tmp_path: Path) -> None:
    assert pinned("a", "ssh-rsa AAAAB", tmp_path)["HostKeyAlgorithms"] == "rsa-sha2-512,rsa-sha2-256"


def test_pulumi_connects_to_machine_and_bastion_with_the_same_key_and_limits() -> None:
    found = connection(Access(ROUTE, BASTION, "the key", attempts=4))
    both = (found, found.proxy)
    assert [(c.host, c.port, c.user, c.host_key) for c in both] == [
        ("192.168.10.11", 2200, "ops", KEY),
        ("bastion.example.com", 2222, "jump", KEY),
    ]
    assert [(c.private_key, c.dial_error_limit, c.per_dial_timeout) for c in both] == [("the key", 4, 10)] * 2
    assert connection(Access(ROUTE)).proxy is None


@pytest.mark.parametrize(
    ("access", "further", "typed"),
    [
        (Access(ROUTE), ("-p", "2200", "-i", "my key"), "ssh -p 2200 -i 'my key' ops@192.168.10.11"),
        (Access(ROUTE, BASTION), (), "ssh -J jump@bastion.example.com:2222 ops@192.168.10.11"),
    ],
)
def test_what_an_operator_types(access: Access, further: tuple[str, ...], typed: str) -> None:
    assert asyncio.run(_value(access, further)) == typed


async def _value(access: Access, further: tuple[str, ...]) -> str | None:
    output: pulumi.Output[str] = shell_prefix(access, *further)
    return await output.future()


@pytest.mark.skipif(not Path("/usr/sbin/sshd").exists() or os.geteuid() != 0, reason="no sshd to log in at")
def test_a_real_server_is_accepted_with_its_own_host_key_only(tmp_path: Path) -> None:
    for name in ("host", "user", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    public = {name: " ".join((tmp_path / f"{name}.pub").read_text().split()[:2]) for name in ("host", "user", "other")}
    (tmp_path / "authorized").write_text(public["user"] + "\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    Path("/run/sshd").mkdir(exist_ok=True)
    settings = (f"AuthorizedKeysFile={tmp_path}/authorized", "StrictModes=no", "PidFile=none", "UsePAM=no")
    further = [word for setting in settings for word in ("-o", setting)]
    command = ["/usr/sbin/sshd", "-D", "-p", str(port), "-h", str(tmp_path / "host"), "-f", "/dev/null", *further]
    with subprocess.Popen(command) as server:
        try:
            client = Client(tmp_path, None, (tmp_path / "user").read_text())
            assert any(said(client, port, public["host"]) == (0, "here\n") for _ in range(20))
            assert said(client, port, public["other"])[0] == 255
        finally:
            server.terminate()


def said(client: Client, port: int, host_key: str) -> tuple[int, str]:
    """Exit code and output of a command on the server."""
    command = client.command("node1", Route("127.0.0.1", port, "root", host_key), "echo here")
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout
