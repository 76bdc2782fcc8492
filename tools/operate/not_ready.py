"""Says why pods are not ready, after an `up` that failed while it waited for pods."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tools.operate import kubectl
from tools.operate.failures import errors

if TYPE_CHECKING:
    from tools.operate.stack import Stack

_SECONDS = 10
_MOST = 8
"""The largest number of pods that are named."""


def waited_for_pods(events: str) -> bool:
    """Whether an object of Kubernetes failed. `events` is the text of the event log of a run."""
    return any("::kubernetes:" in urn or "$kubernetes:" in urn for urn, _ in errors(events))


def sentences(stack: Stack) -> list[str] | None:
    """One sentence for each pod that is not ready. None if the API does not answer, or if there is no kubectl."""
    command = kubectl.as_admin(stack, _SECONDS)
    if command is None:
        return None
    done = subprocess.run(
        [*command, "get", "pods", "--all-namespaces", "--output=json"], capture_output=True, text=True, check=False
    )
    return reasons(json.loads(done.stdout)["items"]) if done.returncode == 0 else None


def reasons(pods: Iterable[Mapping[str, Any]]) -> list[str]:
    """One sentence for each of these pods that is not ready, with the reason that the cluster gives."""
    found = [f"pod {_name(pod)} is not ready: {reason}" for pod in pods if (reason := _reason(pod))]
    more = len(found) - _MOST
    return [*found[:_MOST], *([f"{more} more pods are not ready"] if more > 0 else [])]


def _name(pod: Mapping[str, Any]) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _reason(pod: Mapping[str, Any]) -> str:
    """Why a pod is not ready. Empty if the pod is ready or has ended in order."""
    status = pod["status"]
    conditions = {condition["type"]: condition for condition in status.get("conditions", ())}
    if status.get("phase") == "Succeeded" or conditions.get("Ready", {}).get("status") == "True":
        return ""
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return str(scheduled.get("message") or "it has no node")
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        state = container.get("state", {})
        if waiting := state.get("waiting"):
            if waiting.get("reason") == "PodInitializing":
                continue
            ended = container.get("lastState", {}).get("terminated")
            last = f"; it last ended with exit code {ended['exitCode']}" if ended else ""
            why = ": ".join(filter(None, (waiting.get("reason"), waiting.get("message"))))
            return f"container {container['name']}: {why}{last}"
        if (ended := state.get("terminated")) and ended["exitCode"] != 0:
            return f"container {container['name']} ended with exit code {ended['exitCode']}"
    node = pod["spec"].get("nodeName", "no node")
    return str(conditions.get("Ready", {}).get("message") or f"it is {status.get('phase', 'Unknown')} on {node}")
