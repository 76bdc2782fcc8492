"""A clone, a cache and an official Pulumi of their own, behind a proxy that leads to stand-ins of the publishers."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.e2e.support.process import Run
from tests.e2e.support.progress import Say
from tests.e2e.support.stack import Stack, laptop_page
from tests.e2e.upstream.publishers import Publishers, publishers
from tools.common.paths import Clone, shared_cache, this_clone

NAME = "e2e-upstream"
LOCK = "components/artifacts/upstream.lock.json"
SYSTEM = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Connected:
    """A user on a connected machine: no Go, an official Pulumi, an empty mirror."""

    stack: Stack
    publishers: Publishers
    cache: Path
    variables: Mapping[str, str]

    def make(self, target: str, arguments: str = "", **more: str) -> Run:
        """Run a target of the Makefile as this user."""
        return self.stack.make(target, arguments, {**self.variables, **self.publishers.environment(), **more})

    @property
    def lock(self) -> Path:
        """The lock of release files of the clone."""
        return self.stack.clone.root / LOCK

    @property
    def asked(self) -> list[str]:
        """All requests to publishers so far."""
        return self.publishers.server.asked


@pytest.fixture(scope="session")
def user(say: Say) -> Iterator[Connected]:
    """The user, and at the end no stack."""
    if shutil.which("go", path=SYSTEM):
        pytest.skip(f"there is a go in {SYSTEM}")
    with TemporaryDirectory(prefix="hardway-upstream-") as name, publishers(Path(name)) as found:
        folder = Path(name)
        clone = _clone(folder)
        cache = folder / "cache"
        cache.mkdir()
        # The image of machines and the Python environment take minutes. Nothing else of the store is used.
        (cache / "store").symlink_to(shared_cache() / "store")
        nodes = [
            {"name": "cp-1", "roles": ["etcd", "control-plane"]},
            {"name": "worker-1", "roles": ["worker"]},
        ]
        page = {**laptop_page(NAME), "hardway:nodes": nodes}
        del page["hardway:artifacts"]
        variables = {
            "PATH": f"{_official(folder)}:{SYSTEM}",
            "HARDWAY_CACHE": str(cache),
            "PULUMI_HOME": str(_plugins(folder)),
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "KUBERNETES": "",
        }
        made = Connected(Stack(NAME, page, say, clone=clone), found, cache, variables)
        try:
            yield made
        finally:
            made.make("down")


def _clone(folder: Path) -> Clone:
    """A copy of this working copy whose lock has no digests."""
    root = this_clone().root
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=root, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (root / name).is_file():
            (folder / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, folder / "clone" / name)
    path = folder / "clone" / LOCK
    path.write_text(json.dumps(_without_digests(json.loads(path.read_text())), indent=2) + "\n")
    return Clone(folder / "clone")


def _without_digests(lock: dict[str, Any]) -> dict[str, Any]:
    """The newest version of everything, for amd64."""
    for versions in lock["artifacts"].values():
        for version in list(versions)[:-1]:
            del versions[version]
        for architectures in versions.values():
            architectures.pop("arm64")
            for source in architectures["amd64"]:
                source["sha256"] = None
    for versions in lock["images"].values():
        for image in versions.values():
            image["digest"] = None
    return lock


def _official(folder: Path) -> Path:
    """The engine that is built here, without the marker that says so."""
    official = folder / "official"
    official.mkdir()
    for name in ("pulumi", "pulumi-language-python", "pulumi-language-python-exec"):
        shutil.copy2(this_clone().bin / name, official / name)
    return official


def _plugins(folder: Path) -> Path:
    home = folder / "pulumi-home"
    home.mkdir()
    (home / "plugins").symlink_to(this_clone().pulumi_home / "plugins")
    return home
