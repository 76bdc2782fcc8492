"""Every node's release, brought onto its machine; all machines at the same time."""

from __future__ import annotations

from dataclasses import dataclass

from components.artifacts.choice import choose_artifacts, choose_image
from components.artifacts.lock import Lock
from components.config import Page
from components.founders import etcd_founders
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
    """One `NodeRelease` for each node, by name; none of them starts before what machines fetch from is there."""
    machines = args.machines
    pause = choose_image(args.page, args.lock, "pause")
    around = Surroundings(pause, machines.registry_mirrors | args.page.artifacts.registry_mirrors, machines.traits)
    material = args.pki.material | etcd_founders(args.topology, machines.by_name)
    parts = {node.name: plan_node(args.page, args.topology, node, around) for node in args.topology.nodes}
    return {
        name: NodeRelease(
            name,
            NodeReleaseArgs(
                machine=machines.by_name[name],
                part=part,
                artifacts=choose_artifacts(args.page, args.lock, part.artifacts),
                material=material,
                mirror=machines.mirror,
                after=machines.ready,
            ),
        ).staged
        for name, part in parts.items()
    }
