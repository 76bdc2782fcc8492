"""The rule about the order of the steps of a rotation."""

import json
from pathlib import Path
from typing import Any

import pytest
from policy_requests import Request, asked_stack, made

KEYS = ("kubernetes", "etcd", "frontProxy", "serviceAccount", "encryption")
STACK = "pulumi:pulumi:Stack"
EARLIER = {"endpoint": "https://127.0.0.1:20000"}
"""The outputs of a stack of a version without generations."""


def outputs(trusted: list[int], active: int) -> dict[str, Any]:
    """The outputs of a stack whose etcd authority is in this phase."""
    first = {"trusted": [1], "active": 1}
    return {"generations": dict.fromkeys(KEYS, first) | {"etcd": {"trusted": trusted, "active": active}}}


def found(
    monkeypatch: pytest.MonkeyPatch, folder: Path, before: dict[str, Any], now: dict[str, Any], plan: bool = True
) -> list[str]:
    """What the rule says of a plan."""
    request: Request = made(STACK, "dev", now)
    state = folder / "state.json"
    resource = {"urn": request["urn"], "type": STACK, "outputs": before}
    state.write_text(json.dumps({"deployment": {"resources": [resource]}}))
    monkeypatch.setenv("HARDWAY_STATE", str(state))
    if plan:
        monkeypatch.setenv("PULUMI_DRY_RUN", "true")
    return asked_stack([request]).get("rotation-order", [])


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (outputs([1], 1), outputs([1, 2], 1)),
        (outputs([1, 2], 1), outputs([1, 2], 2)),
        (outputs([1, 2], 2), outputs([2], 2)),
        (EARLIER, outputs([1, 2], 1)),
        (outputs([1, 2], 2), {}),
        # The first `up` of a cluster, also after a first `up` that failed.
        ({}, outputs([2], 2)),
    ],
)
def test_steps_in_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, before: dict[str, Any], now: dict[str, Any]
) -> None:
    assert found(monkeypatch, tmp_path, before, now) == []


@pytest.mark.parametrize(
    ("before", "now", "path"),
    [
        (outputs([1], 1), outputs([1, 2], 2), "active: generation 2 cannot be used"),
        (EARLIER, outputs([1, 2], 2), "active: generation 2 cannot be used"),
        (outputs([1, 2], 1), outputs([2], 2), "trusted: generation 1 was in use"),
    ],
)
def test_steps_out_of_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, before: dict[str, Any], now: dict[str, Any], path: str
) -> None:
    (message,) = found(monkeypatch, tmp_path, before, now)
    assert message.startswith(f"hardway:pki.generations.etcd.{path}")
    # During `up` the state changes, so there is nothing to compare with.
    monkeypatch.delenv("PULUMI_DRY_RUN")
    assert found(monkeypatch, tmp_path, before, now, plan=False) == []
