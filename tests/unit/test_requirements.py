"""The locks of the Python packages: complete, with hashes, and in agreement with what was asked for."""

import re

import pytest

from tools.common.paths import this_clone
from tools.prepare.venv import REQUIREMENTS

ROOT = this_clone().root
PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[a-z0-9,-]+\])?==(?P<version>[A-Za-z0-9.]+)")


def normal(name: str) -> str:
    """The name of a package as PEP 503 compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def entries(name: str) -> list[str]:
    """The entries of a requirements file, one for each package: continued lines are joined, comments are dropped."""
    lines = [line for line in (ROOT / name).read_text().splitlines() if not line.strip().startswith("#")]
    return [line for line in "\n".join(lines).replace("\\\n", " ").splitlines() if line.strip()]


def pins(name: str) -> dict[str, str]:
    """The version of each package in a requirements file."""
    found = [PIN.match(entry) for entry in entries(name)]
    return {normal(match["name"]): match["version"] for match in found if match}


def source(name: str) -> str:
    """The file from which a lock is written."""
    return name.removesuffix(".txt") + ".in"


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_every_locked_package_has_a_version_and_hashes(name: str) -> None:
    assert entries(name)
    for entry in entries(name):
        assert PIN.match(entry), entry
        assert re.search(r" --hash=sha256:[0-9a-f]{64}(?=\s|$)", entry), entry


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_a_lock_names_no_index_and_no_folder(name: str) -> None:
    """A lock works with every package index, because the hashes decide which files are allowed."""
    text = (ROOT / name).read_text()
    assert not re.search(r"https?://|--(?:extra-)?index-url|--find-links|--trusted-host|file:", text)


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_sources_are_exact(name: str) -> None:
    for entry in entries(source(name)):
        assert PIN.fullmatch(entry) or entry == "-c requirements.txt", entry


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_a_lock_agrees_with_its_source(name: str) -> None:
    wanted, locked = pins(source(name)), pins(name)
    assert wanted
    assert {package: locked.get(package) for package in wanted} == wanted, "run `make lock-python`"


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_a_lock_says_for_each_package_who_needs_it(name: str) -> None:
    """In a lock that was edited by hand, a package could stay that nothing needs any more."""
    text = (ROOT / name).read_text()
    reasons = re.findall(r"^    # via\s*(\S.*|(?:\n    #   \S.*)+)", text, re.MULTILINE)
    assert len(reasons) == len(entries(name))


def test_both_locks_have_the_same_version_of_what_both_need() -> None:
    """Both are installed into one environment."""
    first, second = (pins(name) for name in REQUIREMENTS)
    shared = set(first) & set(second)
    assert shared
    assert {name: first[name] for name in shared} == {name: second[name] for name in shared}
