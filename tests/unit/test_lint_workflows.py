"""Workflows: actionlint has no findings, actions are pinned, and every step can be run by hand."""

import re
from pathlib import Path

import pytest
import yaml

from tools.common.paths import this_clone
from tools.lint import workflows

ROOT = this_clone().root
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONS = sorted((ROOT / ".github" / "actions").glob("*/action.yml"))
NAMES = [path.stem for path in FILES]


def steps(name: str) -> list[dict[str, str]]:
    """Every step of every job of a workflow."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def test_the_workflows_are_there() -> None:
    assert NAMES == ["checks", "policy", "preview", "renew", "up"]


def test_nothing_is_wrong(capfd: pytest.CaptureFixture[str]) -> None:
    assert workflows.check(ROOT) == 0, capfd.readouterr().out


@pytest.mark.skipif(not workflows.actionlint(), reason="neither actionlint nor Go is here: only the shape is checked")
def test_actionlint_finds_mistakes_in_expressions(tmp_path: Path) -> None:
    broken = (ROOT / ".github" / "workflows" / "up.yml").read_text().replace("matrix.stack }}", "matrix.stac }}")
    (tmp_path / "broken.yml").write_text(broken)
    assert workflows.check(ROOT, [tmp_path / "broken.yml"]) != 0


def test_a_wrong_shape_is_found_without_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "broken.yml").write_text(FILES[0].read_text().replace("runs-on:", "runs-upon:"))
    assert workflows.check(ROOT, [tmp_path / "broken.yml"]) != 0
    said = capfd.readouterr()
    assert "runs-upon" in said.out + said.err and "expressions in workflows are not checked" in said.err
    assert workflows.check(ROOT) == 0


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
    assert all(run.startswith(("make ", "gh api ")) or "GITHUB_STEP_SUMMARY" in run for run in runs)


@pytest.mark.parametrize("name", ["up", "renew"])
def test_a_stack_is_changed_by_one_run_at_a_time(name: str) -> None:
    job = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())["jobs"][name]
    assert job["concurrency"] == {"group": "stack-${{ matrix.stack }}", "cancel-in-progress": False}


def test_a_preview_may_only_read_and_comment() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "preview.yml").read_text())
    assert workflow["permissions"] == {"contents": "read", "pull-requests": "write"}
    # YAML reads the key `on` as true. With pull_request_target, code of a fork would see secrets.
    assert list(workflow[True]) == ["pull_request"]


def test_checks_run_for_everybody_and_have_no_credentials() -> None:
    text = (ROOT / ".github" / "workflows" / "checks.yml").read_text()
    workflow = yaml.safe_load(text)
    # YAML reads the key `on` as true.
    assert workflow[True] == {"pull_request": None, "push": {"branches": ["main"]}}
    assert workflow["permissions"] == {"contents": "read"}
    assert not re.search(r"\$\{\{[^}]*\b(secrets|github\.token|vars)\b", text)
    for job in workflow["jobs"].values():
        # Code of forks runs here, so: a temporary machine of the platform, no environment, no rights.
        assert job["runs-on"] == "ubuntu-24.04"
        assert not {"environment", "permissions", "secrets", "if"} & set(job)
        (checkout,) = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
        assert checkout["with"] == {"persist-credentials": False}


def test_checks_are_all_tests_without_machines_and_documents() -> None:
    assert [step["run"] for step in steps("checks") if "run" in step] == [
        "make unit",
        "make integration",
        "make docs",
    ]


def test_only_checks_run_a_forks_code() -> None:
    """All other workflows have secrets, so a pull request from a fork starts none of their jobs."""
    same = "github.event.pull_request.head.repo.full_name == github.repository"
    for path in FILES:
        workflow = yaml.safe_load(path.read_text())
        assert "pull_request_target" not in workflow[True]
        if path.stem != "checks" and "pull_request" in workflow[True]:
            assert all(same in job["if"] for job in workflow["jobs"].values())
