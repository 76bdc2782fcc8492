"""The facts about this host that `make tools` writes."""

import json
from pathlib import Path

import pytest

from components.machines.host_facts import HostFacts, HostFactsError, read_host_facts

FACTS = {
    "engine": ["podman", "--runtime", "/usr/sbin/runc"],
    "nodeImage": "localhost/hardway-node:1",
    "mirror": "/home/user/.cache/hardway/mirror",
}


def written(folder: Path, **facts: object) -> Path:
    """A file of facts."""
    path = folder / "local.json"
    path.write_text(json.dumps(FACTS | facts))
    return path


@pytest.mark.parametrize("wanted", ["auto", "podman"])
def test_facts(tmp_path: Path, wanted: str) -> None:
    assert read_host_facts(written(tmp_path), wanted) == HostFacts(
        ("podman", "--runtime", "/usr/sbin/runc"),
        "localhost/hardway-node:1",
        "/home/user/.cache/hardway/mirror",
    )


def test_facts_that_are_missing_say_how_to_get_them(tmp_path: Path) -> None:
    path = tmp_path / "local.json"
    with pytest.raises(HostFactsError) as caught:
        read_host_facts(path, "auto")
    assert str(caught.value) == f"{path}: not found; `make tools` prepares this host for local machines"


def test_another_engine_than_the_page_asks_for(tmp_path: Path) -> None:
    with pytest.raises(HostFactsError) as caught:
        read_host_facts(written(tmp_path), "docker")
    assert str(caught.value) == (
        "hardway:machines.engine: 'docker' is not what `make tools` prepared; allowed: auto, podman"
    )
