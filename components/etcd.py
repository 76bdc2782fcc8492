"""The etcd cluster: its members, activated one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.node.render.etcd import etcdctl
from components.rollout.node_release import StagedNode
from components.rollout.order import roll
from components.topology import Topology


@dataclass(frozen=True)
class EtcdClusterArgs:
    """The topology, and all staged nodes of the cluster, because all nodes are staged before any node is activated.

    `after` are resources that have to exist before the first member is activated.
    """

    topology: Topology
    staged: Mapping[str, StagedNode]
    after: Sequence[pulumi.Resource] = ()


class EtcdCluster(pulumi.ComponentResource):
    """Activates the members of etcd one by one, in the order of the page. Each is healthy before the next one changes.

    If a member is also a control-plane node, then the same step activates both. A member that runs pods and has no API
    server is activated later, with the workers. `activated` has the activation of each member by node name,
    `endpoints` the client URLs. `before` is what no activation may precede, also not that of a control-plane node
    without a member. `status` is a command line that prints health, status and members.
    """

    activated: dict[str, pulumi.Resource]
    before: tuple[pulumi.Resource, ...]
    endpoints: tuple[str, ...]
    status: pulumi.Output[str]

    def __init__(self, name: str, args: EtcdClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hardway:etcd:EtcdCluster", name, {}, opts)
        members = args.topology.etcd_nodes
        first = [args.staged[node.name] for node in args.topology.first_members]
        self.before = tuple(args.after)
        self.activated = roll(self, first, args.staged.values(), args.after)
        self.endpoints = args.topology.etcd_client_urls()
        script = "; ".join(
            etcdctl(f"{what} --cluster --write-out=table" if what != "member list" else f"{what} --write-out=table")
            for what in ("endpoint health", "endpoint status", "member list")
        )
        self.status = args.staged[members[0].name].machine.shell(script)
        self.register_outputs({"endpoints": list(self.endpoints), "status": self.status})
