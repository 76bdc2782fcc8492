"""Loads the suites on real clusters, so that a moved name is found in seconds and not after half an hour."""

import re
import subprocess
import sys

from tools.common.paths import this_clone


def test_every_suite_can_be_loaded() -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests/e2e"]
    done = subprocess.run(command, cwd=this_clone().root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_modules_of_suites_have_the_names_that_suites_use() -> None:
    """Mypy finds what loading does not find: missing attributes of modules, and calls with wrong arguments."""
    suites = [str(path) for path in sorted((this_clone().root / "tests/e2e").glob("*/*.py"))]
    others = [str(path) for folder in ("tools", "bench") for path in (this_clone().root / folder).rglob("*.py")]
    options = ["--explicit-package-bases", "--follow-imports=skip", "--no-error-summary", "--hide-error-context"]
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


def test_the_file_that_removes_a_shared_cluster_is_the_last() -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    command += ["tests/e2e/local", "tests/e2e/people"]
    done = subprocess.run(command, cwd=this_clone().root, capture_output=True, text=True, check=True)
    files = [line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line]
    order = list(dict.fromkeys(files))
    assert order[0] == "tests/e2e/local/test_1_up.py" and order[-1] == "tests/e2e/local/test_9_down.py"
    assert order[-2] == "tests/e2e/people/test_6_nobody.py"
