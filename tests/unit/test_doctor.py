"""`make doctor`: what is there, what is missing, and the command that mends it."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import changed, page_values

from components.machines.local_network import is_free
from tools.common.paths import Clone
from tools.doctor import host
from tools.doctor.doctor import examine
from tools.doctor.line import Line

HOSTS = page_values("existing") | {"artifacts": {}}


@pytest.fixture(autouse=True)
def nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No question leaves this machine."""
    for name in ("https_proxy", "HTTPS_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY", "PULUMI_BACKEND_URL", "HARDWAY_CLONE"):
        monkeypatch.delenv(name, raising=False)


def clone_with(folder: Path, values: dict[str, Any]) -> Clone:
    clone = Clone(folder / "clone")
    clone.root.mkdir()
    clone.page("dev").write_text(yaml.safe_dump({"config": {f"hardway:{key}": item for key, item in values.items()}}))
    return clone


def pulumi(folder: Path) -> str:
    """A folder with an official Pulumi."""
    folder.mkdir()
    (folder / "pulumi").write_text("#!/bin/sh\necho v3.259.0\n")
    (folder / "pulumi").chmod(0o755)
    (folder / "pulumi-language-python").touch()
    return str(folder)


def test_hosts_without_pulumi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    clone = clone_with(tmp_path, HOSTS)
    assert examine(clone, tmp_path / "cache", "dev") == 1
    lines = capsys.readouterr().out.splitlines()
    assert "ok       versions of the page: the lock of release files has all" in lines
    where = lines.index("missing  official `pulumi` on PATH")
    assert "https://www.pulumi.com/docs/install" in lines[where + 1]
    (github,) = [number for number, line in enumerate(lines) if line.startswith("missing  github.com, github.com: ")]
    assert lines[github].endswith(" (not needed here)"), "hosts fetch themselves"
    assert lines[github + 1].endswith("export https_proxy=http://HOST:PORT")
    assert lines[-1] == "`make up STACK=dev` cannot work: 1 missing"


def test_hosts_with_pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", f"{pulumi(tmp_path / 'official')}:/usr/bin:/bin")
    clone = clone_with(tmp_path, HOSTS)
    assert examine(clone, tmp_path / "cache", "dev") == 0
    said = capsys.readouterr().out
    assert f"ok       pulumi 3.259: {tmp_path}/official/pulumi\n" in said
    assert said.endswith("`make up STACK=dev` can work\n")


def test_local_machines_that_are_to_use_release_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", f"{pulumi(tmp_path / 'official')}:/usr/bin:/bin")
    monkeypatch.setenv("HARDWAY_CACHE", str(tmp_path / "cache"))
    clone = clone_with(tmp_path, page_values("stacked") | {"artifacts": {"source": "upstream"}})
    assert examine(clone, tmp_path / "cache", "dev") == 1
    lines = capsys.readouterr().out.splitlines()
    silent = [line for line in lines if line.startswith("missing  dl.k8s.io, ")]
    assert silent and not silent[0].endswith("(not needed here)"), "this machine fetches for its machines"


def test_a_version_outside_of_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", f"{pulumi(tmp_path / 'official')}:/usr/bin:/bin")
    clone = clone_with(tmp_path, HOSTS | {"versions": {"etcd": "3.7.9"}})
    assert examine(clone, tmp_path / "cache", "dev") == 1
    said = capsys.readouterr().out
    assert "no etcd 3.7.9 for amd64" in said
    assert '\n         run `make lock ADD="etcd=3.7.9"` on a machine that reaches the internet\n' in said


def test_a_wrong_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clone = clone_with(tmp_path, page_values("stacked") | {"artifacts": {"source": "internet"}})
    assert examine(clone, tmp_path / "cache", "dev") == 1
    assert (
        "hardway:artifacts.source: 'internet' is not allowed; allowed: auto, mirror, upstream"
        in capsys.readouterr().out
    )
    assert examine(clone, tmp_path / "cache", "prod") == 1
    assert "there is no page Pulumi.prod.yaml" in capsys.readouterr().out


def texts(lines: Any) -> list[str]:
    return [line.text() for line in lines]


def test_ports(tmp_path: Path) -> None:
    assert texts(host.ports(tmp_path, 2, None, False)) == ["ok       ports on 127.0.0.1: free ones will be chosen"]
    # Below the ports that Linux gives to other tests (net.ipv4.ip_local_port_range): the next ports have to stay free.
    base = next(base for base in range(15000, 20000, 3) if all(map(is_free, range(base, base + 3))))
    with socket.create_server(("127.0.0.1", base)):
        (line,) = host.ports(tmp_path, 2, base, False)
        assert not line.found and line.what == f"ports {base} to {base + 2} on 127.0.0.1: {base} taken"
        assert line.mend.startswith(f"ss -ltnp 'sport = :{base}'")
        (tmp_path / "lab.json").write_text(json.dumps({"port_base": base}))
        assert not next(host.ports(tmp_path, 2, None, False)).found
        assert next(host.ports(tmp_path, 2, None, True)).found, "the stack itself has them"


def test_kernel_modules(tmp_path: Path) -> None:
    (tmp_path / "loaded" / "vxlan").mkdir(parents=True)
    (tmp_path / "modules").mkdir()
    known = "kernel/net/bridge/bridge.ko.xz:\nkernel/net/bridge/br_netfilter.ko:\nkernel/fs/overlayfs/overlay.ko:\n"
    (tmp_path / "modules" / "modules.dep").write_text(known)
    (tmp_path / "modules" / "modules.builtin").write_text("kernel/drivers/net/veth.ko\n")
    line, cgroups = host.kernel(tmp_path / "modules", tmp_path / "loaded")
    assert not line.found and line.what.endswith(": modules nf_tables") and "modprobe -a nf_tables" in line.mend
    assert cgroups.what in ("cgroups of version 1", "cgroups of version 2")
    line, _ = host.kernel(tmp_path / "nothing", tmp_path / "loaded")
    assert line.found and "does not tell whether it has" in line.what


def test_modules_of_network_policies_are_asked_for_where_the_page_wants_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HARDWAY_CACHE", str(tmp_path / "cache"))
    for policies, told in (("none", False), ("enforced", True)):
        (folder := tmp_path / policies).mkdir()
        values = changed(page_values("stacked"), {"network.policies": policies})
        examine(clone_with(folder, values), tmp_path, "dev")
        line = next(line for line in capsys.readouterr().out.splitlines() if "kernel " in line)
        assert ("nft_queue" in line) == told


def test_limits(tmp_path: Path) -> None:
    (tmp_path / "instances").write_text("128\n")
    (line,) = host.limits(tmp_path / "instances")
    assert not line.found and "sudo sysctl -w fs.inotify.max_user_instances=1024" in line.mend
    (tmp_path / "instances").write_text("1024\n")
    assert next(host.limits(tmp_path / "instances")).found
    assert list(host.limits(tmp_path / "not-linux")) == []


def test_disk(tmp_path: Path) -> None:
    cache, _ = host.disk(tmp_path / "deep" / "cache", 1 << 60, [str(tmp_path)])
    assert not cache.found and "HARDWAY_CACHE=FOLDER" in cache.mend and f"in {tmp_path};" in cache.what
    assert next(host.disk(tmp_path, 1, [str(tmp_path)])).found


def test_what_is_not_needed_says_so() -> None:
    assert Line("a", False, "do b", needed=False).text() == "missing  a (not needed here)\n         do b"
