"""What the API says of the cluster: nodes, and pods that are not ready."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools.common.answer import NoAnswerError, answer
from tools.operate import not_ready

_GRACE_SECONDS = 10
"""The time limit of kubectl begins with its connection. Its start and the resolution of names take more time."""
_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")


@dataclass(frozen=True)
class Node:
    """A Node object. `troubles` are conditions such as DiskPressure, each with its message."""

    name: str
    version: str
    is_ready: bool
    is_cordoned: bool
    troubles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cluster:
    """The answer of the API after `milliseconds`. If `silence` is not empty, then it says why there is none."""

    silence: str = ""
    milliseconds: int = 0
    nodes: tuple[Node, ...] = ()
    pods: tuple[str, ...] = ()
    """A sentence for each pod that is not ready."""


def ask(kubectl: Sequence[str], seconds: float) -> Cluster:
    """Ask the API. `kubectl` is the command line of the admin, in which each request may take `seconds`."""
    begun = time.monotonic()
    limit = seconds + _GRACE_SECONDS
    try:
        nodes = _items([*kubectl, "get", "nodes"], limit)
        milliseconds = int((time.monotonic() - begun) * 1000)
        pods = _items([*kubectl, "get", "pods", "--all-namespaces"], limit)
    except NoAnswerError as error:
        return Cluster(silence=str(error))
    return Cluster("", milliseconds, tuple(map(_node, nodes)), tuple(not_ready.reasons(pods)))


def _items(command: Sequence[str], limit: float) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(answer([*command, "--output=json"], limit))["items"]
    return items


def _node(found: Mapping[str, Any]) -> Node:
    status = found["status"]
    conditions = {condition["type"]: condition for condition in status.get("conditions", ())}
    ready = conditions.get("Ready", {})
    troubles = [
        f"{name}: {conditions[name].get('message', '')}"
        for name in _PRESSURES
        if conditions.get(name, {}).get("status") == "True"
    ]
    if ready.get("status") != "True":
        troubles.insert(0, str(ready.get("message") or "its kubelet has not reported"))
    return Node(
        name=found["metadata"]["name"],
        version=str(status.get("nodeInfo", {}).get("kubeletVersion", "")).removeprefix("v"),
        is_ready=ready.get("status") == "True",
        is_cordoned=bool(found["spec"].get("unschedulable")),
        troubles=tuple(troubles),
    )
