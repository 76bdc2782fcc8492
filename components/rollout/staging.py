"""Stages the releases of all nodes at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.artifacts.choice import choose_artifacts, choose_images
from components.artifacts.lock import Lock
from components.config import Page
from components.machines.base import Machines
from components.node.identity import CLUSTER_ID
from components.node.plan import NodeEnvironment, plan_node
from components.pki.cluster_pki import ClusterPki
from components.rollout.cluster_id import cluster_id
from components.rollout.initial_members import etcd_initial_members
from components.rollout.node_release import NodeRelease, NodeReleaseArgs, StagedNode
from components.rollout.restore import restore_material
from components.topology import Topology


@dataclass(frozen=True)
class StagingArgs:
    """The inputs of releases, and the machines that get the releases."""

    page: Page
    topology: Topology
    machines: Machines
    pki: ClusterPki
    lock: Lock
    after: Sequence[pulumi.Resource] = ()
    """Resources that have to exist before the first release is staged."""


def stage_nodes(args: StagingArgs) -> dict[str, StagedNode]:
    """One `NodeRelease` for each node, by name; each waits until the mirror of the machines exists."""
    machines = args.machines
    pause = choose_images(args.page, args.lock, "pause")
    environment = NodeEnvironment(
        pause,
        {**machines.registry_mirrors, **args.page.artifacts.registry_mirrors},
        machines.traits,
        closed_mirrors=frozenset(machines.registry_mirrors.values()),
        bucket=machines.bucket,
    )
    initial = etcd_initial_members(args.topology, machines.by_name)
    restores = restore_material(args.page.restore, args.topology, machines.by_name)
    material = {**args.pki.material, **initial, **restores, CLUSTER_ID: cluster_id()}
    parts = {node.name: plan_node(args.page, args.topology, node, environment) for node in args.topology.nodes}
    return {
        name: NodeRelease(
            name,
            NodeReleaseArgs(
                machine=machines.by_name[name],
                part=part,
                artifacts=choose_artifacts(args.page, args.lock, part.artifacts, args.topology.node(name).architecture),
                material=material,
                mirror=machines.mirror,
                health_timeout=args.page.rollout.health_timeout,
                after=[*machines.ready, *args.after],
            ),
        ).staged
        for name, part in parts.items()
    }
