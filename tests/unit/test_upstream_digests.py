"""The committed lock has the digests that pages of this repository need."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import DATA, changed, page_values

from components.artifacts.choice import artifact_versions, image_versions
from components.artifacts.lock import UPSTREAM_LOCK, LockError, read_lock
from components.config import Page, load
from tools.common.paths import this_clone
from tools.from_upstream.lock import ARCHITECTURES, IMAGES, RELEASES

ROOT = this_clone().root
LOCK = json.loads(UPSTREAM_LOCK.read_text())
UPGRADES = ("1.36.3", "1.37.1")


def values_of(path: Path) -> dict[str, Any]:
    """A page as `load` takes it, from a stack's file or from a bare page."""
    text: dict[str, Any] = yaml.safe_load(path.read_text())
    return {key.removeprefix("hardway:"): value for key, value in text.get("config", text).items()}


def pages() -> Iterator[tuple[str, Page]]:
    """Pages of this repository whose nodes can get upstream's files: all but those for a mirror of built files."""
    files = [*ROOT.glob("Pulumi.*.yaml"), *ROOT.glob("examples/**/*.yaml"), *DATA.glob("pages/*.yaml")]
    for path in sorted(files):
        values = values_of(path)
        artifacts = values.get("artifacts", {})
        source = artifacts.get("source", "auto")
        if source == "upstream" or (source == "auto" and "mirror" not in artifacts):
            yield path.relative_to(ROOT).as_posix(), load(values)


def missing(page: Page, architecture: str) -> set[tuple[str, str]]:
    """The entries that the page needs and that have no digest."""
    lock, found = read_lock(UPSTREAM_LOCK), set()
    for versions, get in ((artifact_versions(page), lock.artifact), (image_versions(page), lock.image)):
        for name, version in versions.items():
            try:
                get(name, version, architecture)
            except LockError:
                found.add((name, version))
    return found


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("name", "page"), list(pages()), ids=lambda value: value if isinstance(value, str) else "")
def test_pages_of_the_repository_need_nothing_without_a_digest(name: str, page: Page, architecture: str) -> None:
    assert missing(page, architecture) == set(), name


def test_pages_with_upstreams_files_are_found() -> None:
    found = {name for name, _ in pages()}
    assert {"Pulumi.aws.yaml", "Pulumi.onprem.yaml", "Pulumi.dev.yaml"} <= found
    assert {path.relative_to(ROOT).as_posix() for path in ROOT.glob("examples/*.yaml")} <= found


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("version", UPGRADES)
def test_an_upgrade_of_kubernetes_needs_nothing_without_a_digest(version: str, architecture: str) -> None:
    change = {"versions.kubernetes": version, "artifacts.source": "upstream"}
    assert missing(load(changed(page_values("stacked"), change)), architecture) == set()


def test_no_entry_lacks_a_digest() -> None:
    lacking = {
        (name, version)
        for name, versions in LOCK["artifacts"].items()
        for version, architectures in versions.items()
        if not all(source["sha256"] for sources in architectures.values() for source in sources)
    }
    lacking |= {
        (n, v) for n, versions in LOCK["images"].items() for v, image in versions.items() if not image["digest"]
    }
    assert lacking == set()


def test_digests_are_digests_and_no_two_files_share_one() -> None:
    digests = []
    for versions in LOCK["artifacts"].values():
        for architectures in versions.values():
            digests += [s["sha256"] for sources in architectures.values() for s in sources if s["sha256"]]
    for versions in LOCK["images"].values():
        for image in versions.values():
            found = image["digest"] if isinstance(image["digest"], dict) else {"": image["digest"]}
            digests += [digest.removeprefix("sha256:") for digest in found.values() if digest]
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)
    assert len(digests) == len(set(digests)) > 40


def test_addresses_are_those_of_the_release_pages() -> None:
    """An address that was edited by hand is found: it follows from name, version and architecture."""
    for name, versions in LOCK["artifacts"].items():
        for version, architectures in versions.items():
            assert tuple(architectures) == ARCHITECTURES
            for architecture, (source,) in architectures.items():
                assert source["url"] == RELEASES[name].url.format(v=version, a=architecture)
                assert source["files"] == {
                    program: path.format(v=version, a=architecture) for program, path in RELEASES[name].files.items()
                }
    for name, versions in LOCK["images"].items():
        for version, image in versions.items():
            assert image["reference"] == IMAGES[name].format(v=version)


def test_containerd_needs_no_c_library_of_its_host() -> None:
    for architectures in LOCK["artifacts"]["containerd"].values():
        assert all("/containerd-static-" in source["url"] for (source,) in architectures.values())
