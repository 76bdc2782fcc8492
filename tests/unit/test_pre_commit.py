"""The hooks of pre-commit work on a closed network: they run only programs of the project's environment."""

import re

import yaml

from tools.common.paths import this_clone

ROOT = this_clone().root
REPOS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
HOOKS = {hook["id"]: hook for repo in REPOS for hook in repo["hooks"]}


def test_hooks_download_nothing() -> None:
    assert {repo["repo"] for repo in REPOS} == {"local"}
    assert {hook["language"] for hook in HOOKS.values()} == {"system"}


def test_programs_of_hooks_are_packages_of_the_lock() -> None:
    locked = (ROOT / "requirements-dev.txt").read_text()
    used = {name for hook in HOOKS.values() for name in re.findall(r"\.venv/bin/(\S+)", hook["entry"])} - {"python"}
    assert {"ruff", "mypy", "shellcheck"} <= used
    for name in used:
        assert re.search(rf"^{name}(-py)?==", locked, re.MULTILINE), name


def test_generated_files_are_compared_with_what_writes_them() -> None:
    assert {"reference", "schema"} <= set(HOOKS)
    for name in ("reference", "schema"):
        assert f"components.config.{name} | diff " in HOOKS[name]["entry"]
