"""The workers: nodes that only run pods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.node.stage import StagedNode
from components.rollout import roll
from components.topology import Topology


@dataclass(frozen=True)
class WorkerPoolArgs:
    """The topology, every staged node, and what has to be done before workers change (the control plane)."""

    topology: Topology
    staged: Mapping[str, StagedNode]
    after: Sequence[pulumi.Resource]
    max_unavailable: int = 1


class WorkerPool(pulumi.ComponentResource):
    """The nodes that are neither etcd members nor control plane, `max_unavailable` of them changed at a time."""

    activated: dict[str, pulumi.Resource]

    def __init__(self, name: str, args: WorkerPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hardway:workers:WorkerPool", name, {}, opts)
        names = [n.name for n in args.topology.nodes if n.is_worker and not (n.is_etcd or n.is_control_plane)]
        nodes = [args.staged[n] for n in names]
        self.activated = roll(self, nodes, args.staged.values(), args.after, args.max_unavailable)
        self.register_outputs({"nodes": names})
