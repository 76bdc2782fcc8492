"""Workflows: actionlint is content, actions are pinned, and what they do can be done at home."""

import re
from pathlib import Path

import pytest
import yaml

from tools import workflows
from tools.paths import this_clone

ROOT = this_clone().root
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONS = sorted((ROOT / ".github" / "actions").glob("*/action.yml"))
NAMES = [path.stem for path in FILES]


def steps(name: str) -> list[dict[str, str]]:
    """Every step of every job of a workflow."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def test_the_four_workflows_are_there() -> None:
    assert NAMES == ["policy", "preview", "renew", "up"]


def test_actionlint_finds_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    assert workflows.check([str(path) for path in FILES]) == 0, capfd.readouterr().out


def test_actionlint_finds_mistakes(tmp_path: Path) -> None:
    broken = FILES[0].read_text().replace("matrix.stack }}", "matrix.stac }}")
    (tmp_path / "broken.yml").write_text(broken)
    assert workflows.check([str(tmp_path / "broken.yml")]) != 0


@pytest.mark.parametrize("path", [*FILES, *ACTIONS], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_actions_are_pinned_by_commit(path: Path) -> None:
    uses = re.findall(r"uses: (.*)", path.read_text())
    assert uses
    for used in uses:
        assert used.startswith("./") or re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), used


@pytest.mark.parametrize("name", NAMES)
def test_steps_are_targets_of_the_makefile(name: str) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    runs = [step["run"] for step in steps(name) if "run" in step]
    made = [run.split()[1] for run in runs if run.startswith("make ")]
    assert made and set(made) <= targets
    assert all(run.startswith("make ") or "GITHUB_STEP_SUMMARY" in run for run in runs)


@pytest.mark.parametrize("name", ["up", "renew"])
def test_a_stack_is_changed_by_one_run_at_a_time(name: str) -> None:
    job = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())["jobs"][name]
    assert job["concurrency"] == {"group": "stack-${{ matrix.stack }}", "cancel-in-progress": False}


def test_a_preview_may_only_read_and_comment() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "preview.yml").read_text())
    assert workflow["permissions"] == {"contents": "read", "pull-requests": "write"}
    # YAML reads the key `on` as true. On pull_request_target a fork's code would see secrets.
    assert list(workflow[True]) == ["pull_request"]
