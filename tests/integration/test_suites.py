"""Loads the suites on real clusters, so that a moved name is found in seconds and not after half an hour."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.common.paths import this_clone


@pytest.fixture(scope="module")
def loaded() -> list[str]:
    """The files of all suites, in the order in which pytest would run them."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests/e2e"]
    done = subprocess.run(command, cwd=this_clone().root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    files = (line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line)
    return list(dict.fromkeys(files))


def test_every_suite_can_be_loaded(loaded: list[str]) -> None:
    assert {Path(file).parts[2] for file in loaded} >= {"aws", "local", "onprem", "people", "restore", "upstream"}


def test_the_file_that_removes_a_shared_cluster_is_the_last(loaded: list[str]) -> None:
    order = [file for file in loaded if file.startswith(("tests/e2e/local/", "tests/e2e/people/"))]
    assert order[0] == "tests/e2e/local/test_1_up.py" and order[-1] == "tests/e2e/local/test_9_down.py"
    assert order[-2] == "tests/e2e/people/test_6_nobody.py"


def test_modules_of_suites_have_the_names_that_suites_use() -> None:
    """Mypy finds what loading does not find: missing attributes of modules, and calls with wrong arguments."""
    suites = [str(path) for path in sorted((this_clone().root / "tests/e2e").glob("*/*.py"))]
    others = [str(path) for folder in ("tools", "bench") for path in (this_clone().root / folder).rglob("*.py")]
    options = ["--explicit-package-bases", "--follow-imports=skip", "--no-error-summary", "--hide-error-context"]
    # Results of `make lint` have other options: in one cache, each run would throw those of the other away.
    options.append("--cache-dir=.cache/mypy-suites")
    command = [sys.executable, "-m", "mypy", *options, *suites, *others]
    done = subprocess.run(command, cwd=this_clone().root, capture_output=True, text=True, check=False)
    # "Module has no attribute", 'Module "x" has no attribute'; not the attributes of packages without types.
    kinds = (r"error: Module .*has no attribute", r"\[call-arg\]$")
    wrong = [line for line in done.stdout.splitlines() if any(re.search(kind, line) for kind in kinds)]
    assert not wrong, "\n".join(wrong)


def test_what_the_suite_of_judges_runs_is_built_before_the_suite() -> None:
    """Otherwise the first run of the suite would wait for a build of minutes. Other suites and measurements do not."""
    assert "--judges" in made("e2e", "SUITE=local+people") and "--judges" in made("test")
    assert "--judges" not in made("e2e", "SUITE=changes") and "--judges" not in made("bench")


def made(*words: str) -> str:
    """The first command of a target: what is built."""
    done = subprocess.run(
        ["make", "--dry-run", *words], cwd=this_clone().root, capture_output=True, text=True, check=True
    )
    return next(line for line in done.stdout.splitlines() if "tools.prepare build" in line)
