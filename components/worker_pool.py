"""The workers: nodes that run pods and no API server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.config.rollout import Rollout
from components.rollout.node_release import StagedNode
from components.rollout.order import roll
from components.topology import Topology


@dataclass(frozen=True)
class WorkerPoolArgs:
    """The topology, every staged node, and what has to be done before workers change (the control plane).

    `rollout` says how many workers may change at the same time, and how long a drain may take.
    """

    topology: Topology
    staged: Mapping[str, StagedNode]
    after: Sequence[pulumi.Resource]
    rollout: Rollout


class WorkerPool(pulumi.ComponentResource):
    """Activates members of etcd that run pods, one by one, then all other workers, several at a time as the page says.

    So no kubelet is ever newer than an API server: https://kubernetes.io/releases/version-skew-policy/.
    """

    activated: dict[str, pulumi.Resource]

    def __init__(self, name: str, args: WorkerPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hardway:workers:WorkerPool", name, {}, opts)
        members, plain = args.topology.member_workers, args.topology.plain_workers
        staged, drain = args.staged.values(), args.rollout.drain_timeout
        first = roll(self, [args.staged[n.name] for n in members], staged, args.after, drain=drain)
        rest, after = [args.staged[n.name] for n in plain], [*args.after, *first.values()]
        self.activated = first | roll(self, rest, staged, after, args.rollout.at_once(len(plain)), drain)
        self.register_outputs({"nodes": [node.name for node in (*members, *plain)]})
