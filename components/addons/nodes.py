"""The Node objects: labels and taints, and the wait until each node is Ready."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pulumi
import pulumi_kubernetes as k8s

from components.addons.taints import removal_of_taints
from components.config.nodes import CONTROL_PLANE_KEY
from components.object_options import child_of, timeouts
from components.resource_names import NODE_OBJECT
from components.topology import NodePlan, Topology


class Nodes(pulumi.ComponentResource):
    """One Node object for each machine with a kubelet.

    A kubelet may not give itself a role (NodeRestriction), and finds its object here when it registers. The object
    goes when its machine leaves the page, and creation ends when the node is Ready. `kubeconfig` may change nodes.
    `tokens` are what new kubelets wait for, by node. `limit` is how long a new node may take until it is Ready.
    """

    objects: dict[str, k8s.core.v1.Node]

    def __init__(
        self,
        name: str,
        topology: Topology,
        kubeconfig: pulumi.Output[str],
        tokens: Mapping[str, pulumi.Resource],
        limit: timedelta,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("hardway:addons:Nodes", name, {}, opts)
        hooks = pulumi.ResourceHookBinding(before_update=[removal_of_taints(kubeconfig)])
        self.objects = {
            node.name: k8s.core.v1.Node(
                f"{NODE_OBJECT}{node.name}",
                metadata={
                    "name": node.name,
                    "labels": _labels(node),
                    "annotations": {
                        "pulumi.com/waitFor": "condition=Ready",
                        # If the kubelet registered first, it owns these fields with the same values.
                        "pulumi.com/patchForce": "true",
                    },
                },
                spec={"taints": [taint.as_dict() for taint in node.taints]},
                opts=pulumi.ResourceOptions.merge(
                    child_of(self, opts),
                    pulumi.ResourceOptions(
                        # Not the tokens of all nodes: that would be 250,000 dependencies for 500 nodes.
                        depends_on=[tokens[node.name]],
                        custom_timeouts=pulumi.CustomTimeouts(create=timeouts(limit).create),
                        hooks=hooks,
                    ),
                ),
            )
            for node in topology.kubelet_nodes
        }
        self.register_outputs({})


def _labels(node: NodePlan) -> dict[str, str]:
    # Only nodes with this label are ever removed: nodes that other tools added stay.
    made = {"app.kubernetes.io/managed-by": "hardway"}
    own = {CONTROL_PLANE_KEY: ""} if node.is_control_plane else {}
    # The kubelet sets the same labels. Without them a node that has not registered belongs to no topology domain.
    registered = {"kubernetes.io/hostname": node.name, "kubernetes.io/os": "linux"}
    return registered | made | own | dict(node.labels)
