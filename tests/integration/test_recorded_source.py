"""The choice of programs is in the state of the stack: with the real engine, as `make` and as the program see it."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import page_values

from components.artifacts.source import HANDED_OVER, MIRROR, UPSTREAM
from tools.operate.source import choose
from tools.operate.stack import Stack

pytest_plugins = ["scratch_stack"]
PROGRAM = """
import json, os
import pulumi
from components.artifact_source import OUTPUT, ArtifactSource
from components.config import load
from components.last_run import LastRun

source = ArtifactSource(load(json.loads(os.environ["PAGE"])), pulumi.get_stack(), LastRun().is_first)
assert source.page.artifacts.source == source.name
# The engine refuses a Stash without a value: this resource fails as the stage of a release can fail.
after = pulumi.ResourceOptions(depends_on=source.record())
done = pulumi.Stash("done", input=None if os.environ.get("FAIL") else "x", opts=after)
pulumi.export("kubeconfig", done.output)
pulumi.export("kubeconfigSha256", "y")
pulumi.export(OUTPUT, source.name)
"""
EARLIER = """
import pulumi
pulumi.Stash("fixed-values", input="something")
pulumi.export("kubeconfig", "x")
pulumi.export("kubeconfigSha256", "y")
"""


@pytest.fixture
def up(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs `up` with `artifacts.source` of the page, and returns the exit code."""
    (stack.clone.root / "__main__.py").write_text(PROGRAM)

    def run(source: str = "auto", *, fails: bool = False, preview: bool = False) -> int:
        monkeypatch.setenv("PAGE", json.dumps(page_values("stacked") | {"artifacts": {"source": source}}))
        monkeypatch.setenv("FAIL", "1" if fails else "")
        return stack.preview() if preview else stack.up()

    return run


def hand_over(stack: Stack, name: str) -> None:
    """What `make` does for a new stack."""
    path = stack.clone.root / HANDED_OVER / stack.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{name}\n")


def test_the_state_remembers(stack: Stack, up: Any) -> None:
    first = choose(stack.clone, stack.name)
    assert first.name == MIRROR and first.reason.startswith("there is no official `pulumi` on PATH; ")
    assert (stack.clone.root / HANDED_OVER / stack.name).read_text() == "mirror\n"
    # As if this machine had an official one.
    hand_over(stack, UPSTREAM)
    assert up() == 0
    assert stack.known_outputs()["artifactSource"] == UPSTREAM
    # Another clone, or a CI job, has the state only.
    hand_over(stack, MIRROR)
    assert choose(stack.clone, stack.name).name == UPSTREAM
    assert up() == 0
    assert stack.known_outputs()["artifactSource"] == UPSTREAM
    # The page forces another choice, which is then the one that is kept.
    assert up(MIRROR, preview=True) == 0
    report = (stack.clone.state / stack.name / "preview.md").read_text()
    assert "Now: built from Go modules. Until now: release files of upstream." in report
    assert "artifact-source" not in report
    assert choose(stack.clone, stack.name).name == UPSTREAM
    assert up(MIRROR) == 0
    assert choose(stack.clone, stack.name).name == stack.known_outputs()["artifactSource"] == MIRROR
    assert up() == 0
    assert stack.known_outputs()["artifactSource"] == MIRROR
    assert "the last `up`" in choose(stack.clone, stack.name).reason


def test_a_first_up_that_fails_is_remembered(stack: Stack, up: Any) -> None:
    hand_over(stack, UPSTREAM)
    assert up(fails=True) != 0
    hand_over(stack, MIRROR)
    assert choose(stack.clone, stack.name).name == UPSTREAM
    assert up() == 0
    assert stack.known_outputs()["artifactSource"] == UPSTREAM


def test_a_stack_of_an_earlier_version_keeps_what_it_has(stack: Stack, up: Any) -> None:
    (stack.clone.root / "__main__.py").write_text(EARLIER)
    assert up() == 0
    (stack.clone.root / "__main__.py").write_text(PROGRAM)
    hand_over(stack, UPSTREAM)
    assert choose(stack.clone, stack.name).name == MIRROR
    assert up() == 0
    assert stack.known_outputs()["artifactSource"] == MIRROR
    assert up(UPSTREAM) == 0
    assert choose(stack.clone, stack.name).name == UPSTREAM


def test_without_make_the_program_decides(stack: Stack, up: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """The first `up` of a stack by `pulumi up`."""
    assert up() == 0
    assert stack.known_outputs()["artifactSource"] == MIRROR
    assert "built from Go modules, because there is no official `pulumi` on PATH" in capfd.readouterr().out


def test_a_state_in_a_shared_backend(stack: Stack, up: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "backend").mkdir()
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path}/backend")
    assert choose(stack.clone, stack.name).name == MIRROR, "there is no such stack"
    hand_over(stack, UPSTREAM)
    assert up() == 0
    hand_over(stack, MIRROR)
    assert choose(stack.clone, stack.name).name == UPSTREAM
