"""local.sh with the real podman: a machine whose name an earlier machine had, and whose volume podman does not know."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.e2e.support import local_script
from tools.common.paths import this_clone

SUBNET, GATEWAY = "10.254.253.0/24", "10.254.253.1"
PODMAN = ("podman",)


def podman(*words: str) -> str:
    return subprocess.run([*PODMAN, *words], check=True, capture_output=True, text=True, timeout=60).stdout.strip()


@pytest.fixture
def lab() -> Iterator[str]:
    """The name of a local network that nobody else has, and that is removed at the end."""
    if shutil.which("podman") is None:
        pytest.skip("podman is not installed")
    name = f"hardway-test-{uuid4().hex[:8]}"
    yield name
    local_script.call(this_clone(), PODMAN, ["remove-network", name, SUBNET])


def forgotten(name: str) -> Path:
    """The folder of a volume of which podman's database has no entry, with data of a machine."""
    data = Path(podman("info", "--format", "{{.Store.VolumePath}}")) / name / "_data"
    data.mkdir(parents=True)
    (data / "member").write_text("an earlier cluster")
    return data


def test_a_new_network_has_no_data_of_an_earlier_machine(lab: str) -> None:
    data, another = forgotten(f"{lab}-cp-1"), forgotten(f"another-{lab}-cp-1")
    try:
        local_script.call(this_clone(), PODMAN, ["network", lab, SUBNET, GATEWAY])
        assert not data.parent.exists(), "the next machine would start with the data of the earlier one"
        assert another.exists(), "the folder belongs to another local network"
    finally:
        shutil.rmtree(another.parent)


def test_a_removed_network_leaves_no_data(lab: str) -> None:
    local_script.call(this_clone(), PODMAN, ["network", lab, SUBNET, GATEWAY])
    data = forgotten(f"{lab}-cp-1")
    local_script.call(this_clone(), PODMAN, ["remove-network", lab, SUBNET])
    assert not data.parent.exists()
