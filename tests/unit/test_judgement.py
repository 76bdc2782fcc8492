"""When a judged preview takes the place of an `up`."""

import json
from pathlib import Path

import pytest

from tools.common.paths import Clone
from tools.operate import judgement
from tools.operate.stack import Stack

SAME = json.dumps({"summaryEvent": {"resourceChanges": {"same": 3}}})


@pytest.mark.parametrize(
    ("events", "is_same"),
    [
        (SAME, True),
        (f'{{"preludeEvent": {{}}}}\n{SAME}\n', True),
        (SAME.replace("same", "update"), False),
        (SAME.replace('"same": 3', '"same": 3, "delete": 1'), False),
        (SAME.replace('{"same": 3}', "null"), False),
        (f'{SAME}\n{{"half', False),
        (f"{SAME}\n{SAME}", False),
        ("", False),
    ],
)
def test_what_a_preview_says(events: str, is_same: bool) -> None:
    assert judgement.changes_nothing(events) == is_same


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    for name in ("__main__.py", "Pulumi.yaml", "Pulumi.dev.yaml", "components/a/b.py", "components/x.sh"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    state = tmp_path / ".state" / ".pulumi" / "stacks" / "hardway" / "dev.json"
    state.parent.mkdir(parents=True)
    state.write_text('{"checkpoint": {"latest": {}}}')
    (tmp_path / ".state" / "dev").mkdir()
    return Stack(Clone(tmp_path), "dev")


def test_a_stack_is_settled_until_something_differs(stack: Stack) -> None:
    assert not judgement.is_settled(stack)
    (state,) = stack.state_files()
    root = stack.clone.root
    for path in (
        root / "__main__.py",
        root / "Pulumi.dev.yaml",
        root / "components/a/b.py",
        root / "components/x.sh",
        state,
    ):
        judgement.settle(stack)
        assert judgement.is_settled(stack)
        path.write_text(f"{path.read_text()} ")
        assert not judgement.is_settled(stack), path
    judgement.settle(stack)
    (root / "components" / "new.py").write_text("")
    assert not judgement.is_settled(stack)


@pytest.mark.parametrize("left", ['"pending_operations": [{}]', '"resources": [{"delete": true}]'])
def test_what_a_killed_run_has_left_is_never_settled(stack: Stack, left: str) -> None:
    (state,) = stack.state_files()
    state.write_text(f'{{"checkpoint": {{"latest": {{{left}}}}}}}')
    judgement.settle(stack)
    assert not judgement.is_settled(stack)


def test_a_state_that_others_may_change_is_never_settled(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    judgement.settle(stack)
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://bucket")
    assert not judgement.is_settled(stack)
