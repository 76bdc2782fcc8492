"""Why pods are not ready, in sentences for a person whose `up` failed."""

import json
from typing import Any

import pytest

from tools.operate.not_ready import reasons, waited_for_pods

TAINT = "0/2 nodes are available: 1 node(s) had untolerated taint(s), 1 node(s) didn't match pod topology spread"


def pod(conditions: dict[str, tuple[str, str]], container: dict[str, Any] | None = None, phase: str = "Pending") -> Any:
    """A pod with conditions by type, each with its status and its message, and one container."""
    listed = [{"type": kind, "status": status, "message": text} for kind, (status, text) in conditions.items()]
    containers = [{"name": "web", **container}] if container else []
    return {
        "metadata": {"namespace": "kube-system", "name": "coredns-1"},
        "spec": {"nodeName": "worker-1"},
        "status": {"phase": phase, "conditions": listed, "containerStatuses": containers},
    }


NOT_READY = {"PodScheduled": ("True", ""), "Ready": ("False", "containers with unready status: [web]")}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (pod({"PodScheduled": ("False", TAINT)}), TAINT),
        (
            pod(NOT_READY, {"state": {"waiting": {"reason": "ErrImagePull", "message": "no such host"}}}),
            "container web: ErrImagePull: no such host",
        ),
        (
            pod(
                NOT_READY,
                {
                    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
                    "lastState": {"terminated": {"exitCode": 2}},
                },
            ),
            "container web: CrashLoopBackOff: back-off 10s; it last ended with exit code 2",
        ),
        (pod(NOT_READY, {"state": {"terminated": {"exitCode": 1}}}), "container web ended with exit code 1"),
        (pod(NOT_READY, {"state": {"running": {}}}, "Running"), "containers with unready status: [web]"),
        (pod({}), "it is Pending on worker-1"),
    ],
)
def test_a_reason(given: Any, reason: str) -> None:
    assert reasons([given]) == [f"pod kube-system/coredns-1 is not ready: {reason}"]


@pytest.mark.parametrize("given", [pod({"Ready": ("True", "")}, phase="Running"), pod({}, phase="Succeeded")])
def test_pods_that_work_are_not_named(given: Any) -> None:
    assert reasons([given]) == []


def test_many_pods_are_counted() -> None:
    said = reasons([pod({"PodScheduled": ("False", TAINT)})] * 11)
    assert len(said) == 9
    assert said[-1] == "3 more pods are not ready"


@pytest.mark.parametrize(
    ("chain", "waited"),
    [
        ("hardway:addons:Addons$hardway:addons:CoreDns$kubernetes:apps/v1:Deployment", True),
        ("kubernetes:core/v1:Namespace", True),
        ("command:remote:Command", False),
    ],
)
def test_only_a_failed_object_asks_for_pods(chain: str, waited: bool) -> None:
    event = {"severity": "error", "urn": f"urn:pulumi:dev::hardway::{chain}::x", "message": "failed"}
    assert waited_for_pods(json.dumps({"diagnosticEvent": event})) is waited
