"""Which pods may not trust the API after a rotation, and what makes these pods anew."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tools.rotate.workloads import Workload, published, stale, workloads

BUNDLE = datetime(2026, 11, 27, 12, tzinfo=UTC)
TOKEN = {"name": "api", "projected": {"sources": [{"configMap": {}}, {"serviceAccountToken": {"path": "token"}}]}}


def pod(name: str, started: str, owner: tuple[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    """A running pod with a token."""
    references = [{"kind": owner[0], "name": owner[1], "controller": True}] if owner else []
    return {
        "metadata": {"namespace": "shop", "name": name, "ownerReferences": references},
        "spec": {"volumes": [TOKEN]},
        "status": {"phase": "Running", "startTime": started},
    } | changes


def test_the_bundle_is_as_old_as_its_last_change() -> None:
    fields = [{"time": "2026-11-26T12:00:00Z"}, {"time": "2026-11-27T12:00:00Z"}, {"manager": "without a time"}]
    maps = [
        {"metadata": {"namespace": "shop", "managedFields": fields}},
        {"metadata": {"namespace": "new"}},
    ]
    assert published(maps) == {"shop": BUNDLE}


@pytest.mark.parametrize(
    ("found", "is_stale"),
    [
        (pod("old", "2026-11-27T11:59:59Z"), True),
        (pod("new", "2026-11-27T12:00:00Z"), False),
        (pod("without a token", "2026-11-27T11:00:00Z", spec={"volumes": [{"name": "x", "emptyDir": {}}]}), False),
        (pod("without volumes", "2026-11-27T11:00:00Z", spec={}), False),
        (
            pod("done", "2026-11-27T11:00:00Z", status={"phase": "Succeeded", "startTime": "2026-11-27T11:00:00Z"}),
            False,
        ),
        (pod("not started", "", status={"phase": "Pending"}), False),
    ],
)
def test_pods_with_a_token_that_are_older_than_the_bundle(found: dict[str, Any], is_stale: bool) -> None:
    assert (stale([found], {"shop": BUNDLE}) == [found]) == is_stale
    assert stale([found], {}) == []


def test_a_deployment_is_named_once_and_a_bare_pod_by_itself() -> None:
    started = "2026-11-27T11:00:00Z"
    pods = [
        pod("web-1", started, ("ReplicaSet", "web-abc")),
        pod("web-2", started, ("ReplicaSet", "web-abc")),
        pod("alone-1", started, ("ReplicaSet", "alone")),
        pod("agent-x", started, ("DaemonSet", "agent")),
        pod("task-x", started, ("Job", "task")),
        pod("bare", started),
    ]
    owner = {"kind": "Deployment", "name": "web", "controller": True}
    sets = [
        {"metadata": {"namespace": "shop", "name": "web-abc", "ownerReferences": [owner]}},
        {"metadata": {"namespace": "shop", "name": "alone"}},
    ]
    assert workloads(pods, sets) == [
        Workload("shop", "DaemonSet", "agent"),
        Workload("shop", "Deployment", "web"),
        Workload("shop", "Job", "task"),
        Workload("shop", "Pod", "bare"),
        Workload("shop", "ReplicaSet", "alone"),
    ]
    assert str(Workload("shop", "Deployment", "web")) == "deployment/web in shop"
