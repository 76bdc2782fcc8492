"""Which node of which cluster a machine is. `stage.sh`, `remove.sh` and `preflight.sh` compare it."""

from __future__ import annotations

from components.node.model import NodeFile, NodePart, Ref
from components.topology import NodePlan, Topology

CLUSTER_ID = "cluster-id"
"""The name of the material with the identifier of the cluster: rollout/cluster_id.py."""


def identity(topology: Topology, node: NodePlan) -> NodePart:
    """`cfg/cluster-id`, and `cfg/node` with the name of the node and, for messages, the name of the cluster."""
    return NodePart(
        files=(
            NodeFile("cfg/cluster-id", Ref(CLUSTER_ID)),
            NodeFile("cfg/node", f"{node.name} {topology.cluster_name}\n"),
        )
    )
