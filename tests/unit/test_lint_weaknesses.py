"""Each weakness of a workflow is found when it is put into the workflows of the project."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tools.common.paths import this_clone
from tools.lint import weaknesses, workflows

ROOT = this_clone().root / ".github"
FILES = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "workflows").glob("*.yml"))}
SECRET = "${{ secrets.PULUMI_CONFIG_PASSPHRASE }}"
Jobs = dict[str, Any]


def test_the_projects_workflows_have_none() -> None:
    assert weaknesses.of_workflows(FILES) == []
    action = yaml.safe_load((ROOT / "actions" / "prepare" / "action.yml").read_text())
    assert list(weaknesses.of_steps(action["runs"]["steps"])) == []


def job(files: Jobs, workflow: str, name: str = "") -> Jobs:
    found: Jobs = files[workflow]["jobs"][name or workflow]
    return found


def prepare(found: Jobs) -> Jobs:
    (step,) = [step for step in found["steps"] if step.get("uses", "").startswith("./")]
    return step  # type: ignore[no-any-return]


EDITS: dict[str, tuple[Callable[[Jobs], Any], str]] = {
    "env of a job": (lambda f: job(f, "up")["env"].update(X=SECRET), "up: up: env of the job has a secret"),
    "env of a workflow": (lambda f: f["renew"].update(env={"X": SECRET}), "renew: env of the workflow has a secret"),
    "one runner": (
        lambda f: job(f, "preview").update({"runs-on": job(f, "up")["runs-on"]}),
        "preview: a job that only reads has the runner of `up` (RUNNER)",
    ),
    "one runner by its label": (
        lambda f: [job(f, name).update({"runs-on": ["self-hosted", "x"]}) for name in ("preview", "up")],
        "preview: a job that only reads has the runner of `up`",
    ),
    "the plan on the runner of up": (
        lambda f: job(f, "up", "plan").update({"runs-on": "${{ vars.RUNNER }}"}),
        "up: a job that only reads has the runner of `up`",
    ),
    "no reviewers": (lambda f: job(f, "preview").pop("needs"), "preview: preview: a pull request reaches secrets"),
    "a job that asks nothing": (
        lambda f: job(f, "preview", "reviewers").update(steps=[{"run": "make lint"}]),
        "preview: preview: a pull request reaches secrets",
    ),
    "one environment": (
        lambda f: job(f, "policy", "certificates").update(environment=job(f, "preview")["environment"]),
        "preview: the environment ${{ matrix.stack }}-preview also belongs to runs of the main branch",
    ),
    "no environment": (lambda f: job(f, "up").pop("environment"), "up: up: secrets without an environment"),
    "no digest": (lambda f: prepare(job(f, "up")).pop("with"), "up: up: a job with secrets runs a Pulumi that is not"),
    "an unverified Pulumi": (
        lambda f: prepare(job(f, "renew"))["with"].update(sha256="unverified"),
        "renew: renew: a job with secrets runs a Pulumi that is not verified",
    ),
    "a fork's code with secrets": (
        lambda f: f["preview"].update({True: {"pull_request_target": None}}),
        "preview: pull_request_target",
    ),
    "no permissions": (lambda f: f["up"].pop("permissions"), "up: no permissions"),
    "all secrets": (lambda f: job(f, "renew").update(secrets="inherit"), "renew: renew: secrets: inherit"),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_weakness_is_found(name: str) -> None:
    edit, expected = EDITS[name]
    files = copy.deepcopy(FILES)
    edit(files)
    assert [found for found in weaknesses.of_workflows(files) if found.startswith(expected)], name


@pytest.mark.parametrize(
    "script",
    [
        "curl -fsSL https://get.pulumi.com | sh",
        "curl -fsSL https://get.pulumi.com | sh -s -- --version 3",
        "wget -qO- https://x.example \\\n  | sudo -E bash",
        "curl https://x.example | tee x | bash",
        'sh -c "$(curl -fsSL https://x.example)"',
        "bash <(curl -fsSL https://x.example)",
        'eval "$(curl -fsSL https://x.example)"',
    ],
)
def test_a_script_from_the_network_is_found(script: str) -> None:
    (found,) = weaknesses.of_steps([{"run": script}])
    assert found.startswith("a step runs a script that it downloads")


def test_a_download_without_a_digest_is_found() -> None:
    (found,) = weaknesses.of_steps([{"run": "curl -fsSLO https://x.example/a.tar.gz\ntar -xzf a.tar.gz"}])
    assert found == "a step downloads a file and compares no digest (sha256sum)"
    assert list(weaknesses.of_steps([{"run": "make preview"}, {"uses": "x@y"}])) == []


def test_make_lint_says_it(tmp_path: Any, capfd: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "workflows" / "up.yml").read_text().replace("      STACK:", f"      KEY: {SECRET}\n      STACK:")
    (tmp_path / "up.yml").write_text(text)
    assert workflows.check(this_clone().root, [tmp_path / "up.yml"]) != 0
    assert "workflow up: up: env of the job has a secret" in capfd.readouterr().err
