"""Objects of a cluster that is large on paper: nodes without machines, and pods that nobody runs. Pure.

https://kwok.sigs.k8s.io/docs/user/kwok-manage-nodes-and-pods/
"""

import ipaddress
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

NAMESPACE = "scale"
KEY = "kwok.x-k8s.io/node"
"""Annotation of nodes that kwok plays, and taint that keeps pods of the cluster away from them."""
SELECTOR = {"type": "kwok"}
PODS_OF_A_SERVICE = 50
MOST_NODES, MOST_PODS_OF_A_NODE = 1000, 100
_ADDRESSES = ipaddress.IPv4Network("198.18.0.0/15")
"""For measurements of devices, RFC 2544: no host has such an address, and nothing is sent to one."""
_ROOM = {"cpu": "32", "memory": "256Gi", "pods": "110"}
_MACHINE_PREFIX = 24
_IMAGE = "registry.k8s.io/pause:3.10"


def page_with_room(page: Mapping[str, Any], nodes: int) -> dict[str, Any]:
    """The page with a network of pods that has a part for each of its nodes and for this many more."""
    network = page["hardway:network"]
    mask = int(network.get("nodeCidrMaskSize", _MACHINE_PREFIX))
    needed = nodes + len(page["hardway:nodes"])
    given = ipaddress.IPv4Network(network["podCidr"])
    prefix = min(given.prefixlen, mask - (needed - 1).bit_length())
    wide = given.supernet(new_prefix=prefix)
    return {**page, "hardway:network": {**network, "podCidr": str(wide)}}


def name_of(index: int) -> str:
    """The name of a node without a machine; the first has the index 0."""
    return f"fake-{index:04d}"


def nodes(count: int) -> list[dict[str, Any]]:
    """Node objects as a kubelet would register them. Controllers give each a part of the network of pods."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name_of(index),
                "annotations": {KEY: "fake"},
                "labels": {
                    **SELECTOR,
                    "kubernetes.io/arch": "amd64",
                    "kubernetes.io/hostname": name_of(index),
                    "kubernetes.io/os": "linux",
                },
            },
            "spec": {"taints": [{"key": KEY, "value": "fake", "effect": "NoSchedule"}]},
            "status": {
                "addresses": [
                    {"type": "InternalIP", "address": _address(index)},
                    {"type": "Hostname", "address": name_of(index)},
                ],
                "allocatable": _ROOM,
                "capacity": _ROOM,
            },
        }
        for index in range(count)
    ]


def leases_of_flannel(count: int) -> list[dict[str, Any]]:
    """What flanneld of each node would write on its Node object, so that the other nodes make routes to it.

    flanneld takes a node only if the part of the network is there before: nodeToLease in its pkg/subnet/kube.
    """
    prefix = "flannel.alpha.coreos.com/"
    return [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name_of(index),
                "annotations": {
                    f"{prefix}backend-data": json.dumps({"VNI": 1, "VtepMAC": _hardware_address(index)}),
                    f"{prefix}backend-type": "vxlan",
                    f"{prefix}kube-subnet-manager": "true",
                    f"{prefix}public-ip": _address(index),
                },
            },
        }
        for index in range(count)
    ]


def workloads(pods: int) -> list[dict[str, Any]]:
    """Deployments with this many pods together, each with a Service. The last may have fewer pods."""
    found = []
    for index, replicas in enumerate(shares(pods)):
        found += list(_workload(f"app-{index:04d}", replicas))
    return found


def shares(pods: int) -> list[int]:
    """The number of pods of each Deployment."""
    full, rest = divmod(pods, PODS_OF_A_SERVICE)
    return [PODS_OF_A_SERVICE] * full + ([rest] if rest else [])


def as_list(objects: Sequence[Mapping[str, Any]]) -> str:
    """The objects as kubectl reads them."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


def _workload(name: str, replicas: int) -> Iterator[dict[str, Any]]:
    labels = {"app": name}
    metadata = {"name": name, "namespace": NAMESPACE}
    spec = {
        "nodeSelector": SELECTOR,
        "tolerations": [{"key": KEY, "operator": "Exists"}],
        "containers": [
            {
                "name": "main",
                "image": _IMAGE,
                "ports": [{"containerPort": 8080}],
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
            }
        ],
    }
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    yield {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def _address(index: int) -> str:
    return str(_ADDRESSES[256 + index])


def _hardware_address(index: int) -> str:
    return f"02:00:00:00:{index >> 8:02x}:{index & 255:02x}"
