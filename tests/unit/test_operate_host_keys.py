"""Host keys for review: the servers on a page, and the best key of a server."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
import yaml
from conftest import DATA

from tools.common.errors import ToolError
from tools.common.paths import Clone, this_clone
from tools.operate.host_keys import Server, best, run, scan, servers_of

PAGE = {f"hardway:{key}": value for key, value in yaml.safe_load((DATA / "pages/existing.yaml").read_text()).items()}


def test_servers_of_a_page() -> None:
    found = list(servers_of({"config": PAGE}))
    assert found[0].login == ("-i", "./id", "-l", "jump")
    assert [(s.path, s.name, s.host, s.port) for s in found] == [
        ("machines.bastion.hostKey", "bastion", "bastion.example.com", 2222),
        ("nodes[0].ssh.hostKey", "cp-1", "192.168.10.11", 22),
        ("nodes[1].ssh.hostKey", "cp-2", "192.168.10.12", 22),
        ("nodes[2].ssh.hostKey", "cp-3", "192.168.10.13", 22),
        ("nodes[3].ssh.hostKey", "worker-1", "worker-1.example.com", 2200),
    ]


def test_keys_may_still_be_missing() -> None:
    nodes = [{"name": "a", "address": "10.0.0.1"}, {"name": "b"}]
    page = {"config": {"hardway:machines": {"provider": "existing"}, "hardway:nodes": nodes}}
    assert [server.host for server in servers_of(page)] == ["10.0.0.1"]
    assert list(servers_of({"config": {"hardway:nodes": nodes}})) == []
    assert list(servers_of({})) == []


def test_the_best_key_is_taken() -> None:
    text = "# host:22 SSH-2.0\nhost ssh-rsa AAAAB\nhost ssh-ed25519 AAAAC\nhost ecdsa-sha2-nistp256 AAAAE\n"
    assert best(text) == "ssh-ed25519 AAAAC"
    assert best("host ssh-rsa AAAAB\n") == "ssh-rsa AAAAB"
    assert best("# nothing\nhost ssh-dss AAAAB\n") is None


def test_a_local_stack_has_no_hosts_to_ask() -> None:
    with pytest.raises(ToolError, match=r"Pulumi\.dev\.yaml has no existing hosts"):
        run(this_clone(), "dev")


@pytest.mark.skipif(not Path("/usr/sbin/sshd").exists() or os.geteuid() != 0, reason="no sshd to ask")
def test_a_real_server_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    Path("/run/sshd").mkdir(exist_ok=True)
    sshd = ["/usr/sbin/sshd", "-D", "-p", str(port), "-h", tmp_path / "key", "-f", "/dev/null", "-o", "PidFile=none"]
    with subprocess.Popen(sshd) as server:
        try:
            wanted = " ".join((tmp_path / "key.pub").read_text().split()[:2])
            place = Server("nodes[0].ssh.hostKey", "a", "127.0.0.1", port)
            assert any(scan(place, None)[0] == wanted for _ in range(20))
            page = {"provider": "existing"}, [{"name": "a", "address": "127.0.0.1", "ssh": {"port": port}}]
            text = yaml.safe_dump({"config": {"hardway:machines": page[0], "hardway:nodes": page[1]}})
            (tmp_path / "Pulumi.x.yaml").write_text(text)
            assert run(Clone(tmp_path), "x") == 0
            said = capsys.readouterr().out
            assert f"nodes[0].ssh.hostKey: {wanted}" in said
            assert "SHA256:" in said
        finally:
            server.terminate()
    assert shutil.which("ssh-keyscan")
