"""The etcd cluster: its members, put in force one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.node.render.etcd import etcdctl
from components.node.stage import StagedNode
from components.rollout import roll
from components.topology import Topology


@dataclass(frozen=True)
class EtcdClusterArgs:
    """The topology, and every node of the cluster as staged (not only members: all stage before any is activated)."""

    topology: Topology
    staged: Mapping[str, StagedNode]


class EtcdCluster(pulumi.ComponentResource):
    """The members' machines in the order of the page, each healthy before the next is touched.

    A machine that is also a control-plane node becomes that in the same step; one that runs pods without being one
    comes later, with the workers. `activated` has the step of each member that is put in force here, `endpoints` the
    client URLs, `status` a command line that prints health, status and members.
    """

    activated: dict[str, pulumi.Resource]
    endpoints: tuple[str, ...]
    status: pulumi.Output[str]

    def __init__(self, name: str, args: EtcdClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hardway:etcd:EtcdCluster", name, {}, opts)
        members = args.topology.etcd_nodes
        first = [args.staged[node.name] for node in args.topology.first_members]
        self.activated = roll(self, first, args.staged.values())
        self.endpoints = args.topology.etcd_client_urls()
        script = "; ".join(
            etcdctl(f"{what} --cluster --write-out=table" if what != "member list" else f"{what} --write-out=table")
            for what in ("endpoint health", "endpoint status", "member list")
        )
        self.status = args.staged[members[0].name].machine.shell(script)
        self.register_outputs({"endpoints": list(self.endpoints), "status": self.status})
