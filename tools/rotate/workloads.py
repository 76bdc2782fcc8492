"""Finds pods that may not trust the API after a rotation: they started before their namespace got the new bundle.

A pod reads the trust bundle when it starts. Programs with client-go 0.36 or newer read the bundle again within five
minutes; other programs never do. If a pod started after the change of the bundle, then it trusts the new authority.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

RESTARTABLE = ("Deployment", "StatefulSet", "DaemonSet")


@dataclass(frozen=True, order=True)
class Workload:
    """The object that replaces a deleted pod. If no object does, then the pod itself, with the kind Pod."""

    namespace: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name} in {self.namespace}"


def published(config_maps: Iterable[Mapping[str, Any]]) -> dict[str, datetime]:
    """When each namespace got its current bundle: the last write in the managed fields of its kube-root-ca.crt."""
    return {
        item["metadata"]["namespace"]: max(
            datetime.fromisoformat(field["time"]) for field in item["metadata"]["managedFields"] if "time" in field
        )
        for item in config_maps
        if any("time" in field for field in item["metadata"].get("managedFields", ()))
    }


def stale(pods: Iterable[Mapping[str, Any]], since: Mapping[str, datetime]) -> list[Mapping[str, Any]]:
    """Pods that use the API and started before the time in `since` for their namespace. Ended pods do not count."""
    return [pod for pod in pods if _uses_the_api(pod) and _is_older(pod, since)]


def workloads(pods: Iterable[Mapping[str, Any]], replica_sets: Iterable[Mapping[str, Any]]) -> list[Workload]:
    """The workloads of these pods, each once. For a ReplicaSet of a Deployment, the workload is the Deployment."""
    owners = {
        (item["metadata"]["namespace"], item["metadata"]["name"]): _controller(item) or ("ReplicaSet", "")
        for item in replica_sets
    }
    found = set()
    for pod in pods:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        kind, owner = _controller(pod) or ("Pod", name)
        if kind == "ReplicaSet" and owners.get((namespace, owner), ("", ""))[0] == "Deployment":
            kind, owner = owners[namespace, owner]
        found.add(Workload(namespace, kind, owner))
    return sorted(found)


def _controller(item: Mapping[str, Any]) -> tuple[str, str] | None:
    references = item["metadata"].get("ownerReferences", ())
    return next(((owner["kind"], owner["name"]) for owner in references if owner.get("controller")), None)


def _uses_the_api(pod: Mapping[str, Any]) -> bool:
    sources = [
        source for volume in pod["spec"].get("volumes", ()) for source in volume.get("projected", {}).get("sources", ())
    ]
    has_token = any("serviceAccountToken" in source for source in sources)
    return has_token and pod["status"].get("phase") in ("Pending", "Running")


def _is_older(pod: Mapping[str, Any], since: Mapping[str, datetime]) -> bool:
    started, moment = pod["status"].get("startTime"), since.get(pod["metadata"]["namespace"])
    return bool(started and moment and datetime.fromisoformat(started) < moment)
