"""Pods, deployments and services for tests. All run agnhost, the test image of Kubernetes."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tools.common.paths import Clone

PORT = 8080
Manifest = dict[str, Any]


def agnhost(clone: Clone) -> str:
    """The pinned image from the lock of this clone. Nodes pull it through their registry mirror."""
    images = json.loads((clone.cache / "artifacts.lock.json").read_text())["images"]
    (entry,) = images["agnhost"].values()
    return f"{entry['reference']}@{entry['digest']}"


def container(image: str, *arguments: str, **more: Any) -> Manifest:
    """A container that the strictest profile of Pod Security admits."""
    return {
        "name": "main",
        "image": image,
        "args": list(arguments),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **more,
    }


def pod(namespace: str, name: str, main: Mapping[str, Any], **spec: Any) -> Manifest:
    """A pod with one container, which is killed at once if the pod is deleted."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "labels": {"app": name}},
        "spec": {"containers": [dict(main)], "terminationGracePeriodSeconds": 0, **spec},
    }


def web(namespace: str, name: str, image: str, replicas: int, *, lame_seconds: int = 0, **spec: Any) -> Manifest:
    """A deployment of web servers (`netexec`), spread over the nodes.

    A server that was told to end continues to serve for `lame_seconds`, until no node sends connections to it any more.
    """
    labels = {"app": name}
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "nodeTaintsPolicy": "Honor",
        "labelSelector": {"matchLabels": labels},
    }
    ready = {"httpGet": {"path": "/healthz", "port": PORT}, "periodSeconds": 1}
    late = [f"--delay-shutdown={lame_seconds}"] if lame_seconds else []
    main = container(image, "netexec", f"--http-port={PORT}", *late, readinessProbe=ready)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": [main],
                    "topologySpreadConstraints": [spread],
                    "terminationGracePeriodSeconds": 2 * lame_seconds,
                    **spec,
                },
            },
        },
    }


def service(namespace: str, name: str, port: int, *, node_port: int | None = None) -> Manifest:
    """A service for the deployment or pod with the same name. Its type is NodePort if a node port is given."""
    entry: Manifest = {"port": port, "targetPort": PORT}
    if node_port:
        entry["nodePort"] = node_port
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"type": "NodePort" if node_port else "ClusterIP", "selector": {"app": name}, "ports": [entry]},
    }


def budget(namespace: str, name: str, least: int) -> Manifest:
    """A PodDisruptionBudget for the deployment with the same name: this number of replicas has to stay."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"minAvailable": least, "selector": {"matchLabels": {"app": name}}},
    }


def namespace(name: str) -> Manifest:
    """A namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def names(objects: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of some objects."""
    return [item["metadata"]["name"] for item in objects]
