"""The Node objects: labels and taints by the administrator, and the wait until each node is Ready."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as k8s

from components.addons.options import child_of
from components.config.nodes import CONTROL_PLANE_KEY
from components.topology import NodePlan, Topology


class Nodes(pulumi.ComponentResource):
    """One Node object for each machine with a kubelet.

    A kubelet may not give itself a role (NodeRestriction), and finds its object here when it registers. The object
    goes when its machine leaves the page, and creation ends when the node is Ready.
    """

    objects: dict[str, k8s.core.v1.Node]

    def __init__(self, name: str, topology: Topology, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hardway:addons:Nodes", name, {}, opts)
        self.objects = {
            node.name: k8s.core.v1.Node(
                f"node-{node.name}",
                metadata={
                    "name": node.name,
                    "labels": _labels(node),
                    "annotations": {
                        "pulumi.com/waitFor": "condition=Ready",
                        # A kubelet that was faster owns these fields already, with the same values.
                        "pulumi.com/patchForce": "true",
                    },
                },
                spec={"taints": [taint.as_dict() for taint in node.taints]},
                opts=pulumi.ResourceOptions.merge(
                    child_of(self, opts),
                    pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="5m")),
                ),
            )
            for node in topology.kubelet_nodes
        }
        self.register_outputs({})


def _labels(node: NodePlan) -> dict[str, str]:
    # Who takes nodes out of the cluster leaves alone those that others have let in.
    made = {"app.kubernetes.io/managed-by": "hardway"}
    own = {CONTROL_PLANE_KEY: ""} if node.is_control_plane else {}
    # The kubelet's own words; without them a node that has not registered yet belongs to no topology domain.
    registered = {"kubernetes.io/hostname": node.name, "kubernetes.io/os": "linux"}
    return registered | made | own | dict(node.labels)
