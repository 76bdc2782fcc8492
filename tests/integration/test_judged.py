"""`up` is judged by the policy pack before it changes anything, with the real engine and the real pack."""

import json
from pathlib import Path

import pytest

from tools.common.paths import this_clone
from tools.operate.stack import Stack

pytest_plugins = ["scratch_stack"]
PACK = ("--policy-pack", str(this_clone().root / "policies"))


@pytest.fixture
def refused(tmp_path: Path) -> tuple[str, ...]:
    """Arguments with the policies and with settings that the program of the stack violates."""
    limits = tmp_path / "limits.json"
    limits.write_text(json.dumps({"unprotected": {"enforcementLevel": "mandatory", "keys": ["kept"]}}))
    return *PACK, f"--policy-pack-config={limits}"


def state(stack: Stack) -> bytes:
    (path,) = stack.state_files()
    return path.read_bytes()


def protected(stack: Stack) -> list[bool]:
    resources = json.loads(state(stack))["checkpoint"]["latest"]["resources"]
    return [bool(resource.get("protect")) for resource in resources if resource["urn"].endswith("::kept")]


def test_judged_runs(stack: Stack, refused: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> None:
    """Refused before anything is made, then made, then unchanged in one run, then changed in an option only."""
    assert stack.up(refused) != 0
    said = capfd.readouterr()
    assert "kept: not protected" in said.out and "so nothing was changed" in said.err
    assert b"::kept" not in state(stack) and not stack.clone.kubeconfig("dev").exists()

    assert stack.up(PACK) == 0
    assert stack.clone.kubeconfig("dev").read_text().strip() == "first secret"
    assert "no policy" not in capfd.readouterr().err
    made = state(stack)

    assert stack.up(PACK) == 0
    assert state(stack) == made, "a judged run that changes nothing also ran `pulumi up`"
    assert "stack dev is up" in capfd.readouterr().err
    # A run that changes nothing is judged as well.
    assert stack.up(refused) != 0

    # A preview does not show that only an option changes, and `up` has to write it.
    program = stack.clone.root / "__main__.py"
    text = program.read_text()
    program.write_text(text.replace("ignore_changes=", "protect=True, ignore_changes="))
    assert protected(stack) == [False]
    assert stack.up(refused) == 0
    assert protected(stack) == [True]
    assert not stack.judged_events.exists()
    program.write_text(text)
    assert stack.up(PACK) == 0


def test_a_run_that_nothing_judges_says_so(stack: Stack, capfd: pytest.CaptureFixture[str]) -> None:
    assert stack.up() == 0
    assert "no policy judges this run of stack dev, because POLICIES is empty\n" in capfd.readouterr().err
