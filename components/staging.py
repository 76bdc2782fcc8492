"""Every node's release, brought onto its machine; all machines at the same time."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.artifacts.choice import choose_artifacts
from components.artifacts.lock import Lock, LockError
from components.config import Page
from components.machines.base import Machines
from components.node.plan import Surroundings, plan_node
from components.node.stage import NodeRelease, NodeReleaseArgs, StagedNode
from components.pki.cluster_pki import ClusterPki
from components.topology import Topology


@dataclass(frozen=True)
class StagingArgs:
    """What releases are made of and where they go."""

    page: Page
    topology: Topology
    machines: Machines
    pki: ClusterPki
    lock: Lock


def stage_nodes(args: StagingArgs) -> dict[str, StagedNode]:
    """One `NodeRelease` for each node, by name.

    Raises RunError, before any of them is made, if the lock lacks something that one of them needs.
    """
    machines = args.machines
    try:
        pause = args.lock.image("pause", args.page.versions.pause)
        around = Surroundings(pause, machines.registry_mirrors | args.page.artifacts.registry_mirrors, machines.traits)
        parts = {node.name: plan_node(args.page, args.topology, node, around) for node in args.topology.nodes}
        artifacts = {name: choose_artifacts(args.page, args.lock, part.artifacts) for name, part in parts.items()}
    except LockError as error:
        raise pulumi.RunError(str(error)) from error
    return {
        name: NodeRelease(
            name, NodeReleaseArgs(machines.by_name[name], part, artifacts[name], args.pki.material, machines.mirror)
        ).staged
        for name, part in parts.items()
    }
