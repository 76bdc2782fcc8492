"""Programs that run on every node with a kubelet and change the network of the node, as DaemonSets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import pulumi
import pulumi_kubernetes as k8s

from components.architecture import AMD64
from components.object_options import pod_metadata

_RBAC = "rbac.authorization.k8s.io"


class Account(NamedTuple):
    """The metadata of objects in the namespace of a program, and what gives its service account its rights."""

    metadata: dict[str, object]
    binding: pulumi.Resource


def make_account(
    name: str, namespace: str, app: str, rules: Sequence[Mapping[str, Sequence[str]]], opts: pulumi.ResourceOptions
) -> Account:
    """A namespace whose pods may change their nodes, and in it the service account `app` with these rules of RBAC."""
    made = k8s.core.v1.Namespace(
        f"{name}-namespace",
        metadata={"name": namespace, "labels": {"pod-security.kubernetes.io/enforce": "privileged"}},
        opts=opts,
    )
    metadata: dict[str, object] = {"name": app, "namespace": made.metadata.name}
    k8s.core.v1.ServiceAccount(f"{name}-account", metadata=metadata, opts=opts)
    k8s.rbac.v1.ClusterRole(f"{name}-role", metadata={"name": app}, rules=list(rules), opts=opts)
    binding = k8s.rbac.v1.ClusterRoleBinding(
        f"{name}-binding",
        metadata={"name": app},
        role_ref={"api_group": _RBAC, "kind": "ClusterRole", "name": app},
        subjects=[{"kind": "ServiceAccount", "name": app, "namespace": made.metadata.name}],
        opts=opts,
    )
    return Account(metadata, binding)


def make_daemons(
    name: str,
    metadata: Mapping[str, object],
    images: Mapping[str, str],
    annotations: Mapping[str, str],
    pod: Callable[[str], dict[str, object]],
    opts: pulumi.ResourceOptions,
) -> list[pulumi.Resource]:
    """The DaemonSets that run an image on every node; `images` are its references by architecture of the node.

    `metadata` has the name of the DaemonSets; `pod` makes the specification of a pod with an image.
    """
    made: list[pulumi.Resource] = []
    for suffix, image, nodes in _kinds(images):
        app = f"{metadata['name']}{suffix}"
        template = {"metadata": pod_metadata({"app": app}, annotations), "spec": pod(image) | nodes}
        daemons = k8s.apps.v1.DaemonSet(
            f"{name}-daemons{suffix}",
            metadata={**metadata, "name": app},
            spec={"selector": {"match_labels": {"app": app}}, "template": template},
            opts=opts,
        )
        made.append(daemons)
    return made


class _Kind(NamedTuple):
    """One DaemonSet: the end of its name, its image, and what chooses its nodes in the specification of its pods."""

    suffix: str
    image: str
    nodes: dict[str, object]


def _kinds(images: Mapping[str, str]) -> Iterator[_Kind]:
    """One DaemonSet on all nodes if all have the same image: the digest of an index, or one architecture."""
    if len(set(images.values())) == 1:
        yield _Kind("", next(iter(images.values())), {})
        return
    for architecture, image in images.items():
        # If arm64 nodes join a cluster, then the DaemonSet of its other nodes keeps its name.
        suffix = "" if architecture == AMD64 else f"-{architecture}"
        yield _Kind(suffix, image, {"node_selector": {"kubernetes.io/arch": architecture}})
