"""Missing packages are named, with the command that installs them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.common.errors import ToolError
from tools.prepare import host_packages
from tools.prepare.host_packages import Need

MISSING = (Need("strange-package", "strange-program"), Need("strange-dev", files=("/usr/include/strange*.h",)))


@pytest.fixture
def not_root() -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_missing_packages_are_named_once_each() -> None:
    present = (Need("coreutils", "ls"), Need("base-files", files=("/no/such", "/etc/os-rel*")))
    assert host_packages.missing([*present, *MISSING]) == ["strange-package", "strange-dev"]
    host_packages.ensure(present, Path("/dev/null"))


@pytest.mark.usefixtures("not_root")
def test_user_without_rights_gets_the_command() -> None:
    with pytest.raises(ToolError) as error:
        host_packages.ensure(MISSING, Path("/dev/null"))
    if host_packages.which("apt-get"):
        assert "sudo apt-get install -y --no-install-recommends strange-package strange-dev\n" in str(error.value)
    else:
        assert "strange-package strange-dev; install them" in str(error.value)


def test_programs_of_root_are_found_without_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    found = host_packages.which("ldconfig") or host_packages.which("ip")
    monkeypatch.setenv("PATH", "/nowhere")
    assert (host_packages.which("ldconfig") or host_packages.which("ip")) == found is not None


def test_unknown_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARDWAY_ENGINE", "lxc")
    with pytest.raises(ToolError, match="HARDWAY_ENGINE is 'lxc'; allowed: podman, docker"):
        host_packages.engine()


@pytest.mark.usefixtures("not_root")
def test_podman_without_root_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARDWAY_ENGINE", "podman")
    with pytest.raises(ToolError, match="need root with podman"):
        host_packages.engine()


def test_podman_gets_the_runtime_that_the_hosts_cgroups_need(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("podman is for root only")
    monkeypatch.setenv("HARDWAY_ENGINE", "podman")
    unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    engine = host_packages.engine()
    assert engine[:1] == ["podman"] and (len(engine) == 1) == unified
