"""The record of the last complete `up`, with the real engine: a failed `up` records no step of a rotation."""

import json
from typing import Any

import pytest

from tools.operate.stack import Stack

pytest_plugins = ["scratch_stack"]
PROGRAM = """
import os
from types import SimpleNamespace
import pulumi
from components.config.generations import KeyGenerations
from components.last_run import LastRun

page = SimpleNamespace(pki=SimpleNamespace(generations=KeyGenerations.model_validate_json(os.environ["GENERATIONS"])))
last = LastRun()
last.refuse_steps_out_of_order(page)
# The engine refuses a Stash without a value: this resource fails as a command on a machine can fail.
done = pulumi.Stash("done", input=None if os.environ.get("FAIL") else "value")
pulumi.export("kubeconfig", "x")
pulumi.export("kubeconfigSha256", "y")
pulumi.export("generations", last.generations(page, [done]))
"""


@pytest.fixture
def run(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs `up` with generations of the key of etcd, and returns the exit code."""
    (stack.clone.root / "__main__.py").write_text(PROGRAM)

    def up(trusted: list[int], active: int, *, fails: bool = False) -> int:
        monkeypatch.setenv("GENERATIONS", json.dumps({"etcd": {"trusted": trusted, "active": active}}))
        monkeypatch.setenv("FAIL", "1" if fails else "")
        return stack.up()

    return up


def etcd(stack: Stack) -> Any:
    """The recorded generations of the key of etcd."""
    return stack.known_outputs()["generations"]["etcd"]


def test_a_step_counts_when_its_up_is_complete(stack: Stack, run: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert run([1], 1) == 0
    assert run([1, 2], 1, fails=True) != 0
    assert etcd(stack) == {"trusted": [1], "active": 1}
    assert run([1, 2], 2) != 0
    assert "generation 2 cannot be used: the last complete `up` did not trust it" in capfd.readouterr().out
    assert run([1, 2], 1) == 0
    assert etcd(stack) == {"trusted": [1, 2], "active": 1}
    assert run([1, 2], 2) == 0
    assert run([1, 2], 2, fails=True) != 0
    assert run([2], 2) == 0
    assert etcd(stack) == {"trusted": [2], "active": 2}
