"""The rights of the program in the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi

from components.config.backup import Restore
from components.node.model import ROOT
from components.pki.leaves import DEPLOYER_BINDING, DEPLOYER_GROUP
from components.resource_names import GRANT
from components.rollout.node_release import StagedNode, command_on
from components.rollout.restore import again_after
from components.topology import Topology


def grant_rights(
    parent: pulumi.Resource,
    topology: Topology,
    staged: Mapping[str, StagedNode],
    restore: Restore | None,
    after: Sequence[pulumi.Resource],
) -> pulumi.Resource:
    """The command on the first control-plane node that runs grant.sh: after it, every API server knows the rights.

    The command runs again if the control plane gets other nodes, and after each restore: a snapshot may be older than
    the binding. Nothing else brings a deleted binding back, because a deleted binding is a revocation.
    """
    node = staged[topology.control_plane_nodes[0].name]
    urls = " ".join(f"https://{node.address}:{topology.api_port}" for node in topology.control_plane_nodes)
    words = f"{DEPLOYER_GROUP} {DEPLOYER_BINDING} {urls}{again_after(restore)}"
    script = f"{node.machine.become}sh {ROOT}/current/grant.sh {words}"
    return command_on(GRANT, node.machine, script, None, parent, after)
