"""Locked packages of npm: installed once, from the lock, and with a sentence that says what is missing."""

import json
import os
from pathlib import Path

import pytest

from tools.common.errors import ToolError
from tools.common.paths import this_clone
from tools.common.store import Store
from tools.prepare import npm_packages
from tools.prepare.host_packages import Need

PEOPLE = this_clone().root / "tests" / "e2e" / "people"


def program(folder: Path, name: str, script: str) -> None:
    """A program on PATH that says how it is called."""
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "{name} $*" >>"{folder}/calls"\n{script}\n')
    path.chmod(0o755)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `node` and `npm`, first on PATH."""
    folder = tmp_path / "host"
    folder.mkdir()
    program(folder, "node", "exit 0")
    program(folder, "npm", "mkdir -p node_modules/thing && cat package-lock.json >node_modules/thing/lock")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """A folder with a list of packages and its lock."""
    folder = tmp_path / "thing"
    folder.mkdir()
    for name in npm_packages.LISTS:
        (folder / name).write_text("{}")
    return folder


def test_packages_are_installed_once_and_never_run_their_scripts(host: Path, lists: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    first = npm_packages.ensure(lists, store, tmp_path / "log")
    assert (first / "thing" / "lock").read_text() == "{}"
    assert npm_packages.ensure(lists, store, tmp_path / "log") == first
    (call,) = [line for line in (host / "calls").read_text().splitlines() if line.startswith("npm")]
    assert call.startswith("npm ci --ignore-scripts ")


def test_another_lock_is_another_folder(host: Path, lists: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    first = npm_packages.ensure(lists, store, tmp_path / "log")
    (lists / "package-lock.json").write_text('{"other": 1}')
    second = npm_packages.ensure(lists, store, tmp_path / "log")
    assert first != second and first.is_dir() and (second / "thing" / "lock").read_text() == '{"other": 1}'


def test_an_old_node_is_named(host: Path, lists: Path, tmp_path: Path) -> None:
    """The nodejs of Debian 12 lacks what the packages need, and would fail in the middle of a suite."""
    program(host, "node", '[ "$1" = --version ] && echo v18.20.4; [ "$1" = --version ]')
    with pytest.raises(ToolError, match=r"node on PATH is v18\.20\.4; allowed: Node\.js 22 or newer"):
        npm_packages.ensure(lists, Store(tmp_path / "store"), tmp_path / "log")
    assert not (tmp_path / "store" / "thing").exists()


def test_a_host_without_node_is_told_what_to_install(
    lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npm_packages, "NODE_JS", (Need("nodejs", "no-node-here"), Need("npm", "no-npm-here")))
    monkeypatch.setattr(npm_packages.host_packages, "which", lambda program: None)
    with pytest.raises(ToolError, match=r"missing on this host .*nodejs npm"):
        npm_packages.ensure(lists, Store(tmp_path / "store"), tmp_path / "log")


def test_npm_that_fails_leaves_nothing(host: Path, lists: Path, tmp_path: Path) -> None:
    program(host, "npm", "mkdir node_modules; echo E404 >&2; exit 1")
    store = tmp_path / "store"
    with pytest.raises(ToolError, match="E404"):
        npm_packages.ensure(lists, Store(store), tmp_path / "log")
    assert not list(store.glob("npm-*"))


def test_the_lock_of_the_suite_has_a_digest_for_each_package_and_no_registry() -> None:
    lock = json.loads((PEOPLE / "package-lock.json").read_text())
    wanted = json.loads((PEOPLE / "package.json").read_text())["dependencies"]
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert all(entry["integrity"].startswith("sha512-") and "resolved" not in entry for entry in packages.values())
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted
