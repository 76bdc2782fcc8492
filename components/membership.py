"""Who belongs to the cluster: what the page has no more is taken out of it before its machine goes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pulumi
import pulumi_command as command

from components.machines.base import Machine
from components.node.model import ROOT
from components.node.render.maintenance import SCRIPT
from components.topology import NodePlan, Topology

_DEPARTURES = "python3 -m components.departures"


@dataclass(frozen=True)
class MembershipArgs:
    """The topology, the machines by node, how long the pods of a leaving node may take, and what has to be done before.

    That is every activation, and the rights of the maintenance credential.
    """

    topology: Topology
    machines: Mapping[str, Machine]
    drain: timedelta
    after: Sequence[pulumi.Resource]


class Membership(pulumi.ComponentResource):
    """One command on the operator's machine, which has the first control-plane node let go who leaves.

    A machine that leaves the page may be dead, and nothing is run on it when it goes; so one that stays lets its pods
    go, and its member of etcd. Pulumi deletes machines at the very end of an `up`: after this, and only if this
    succeeded. Whether somebody leaves is found out without dialling anybody (`components/departures.py`).
    """

    def __init__(self, name: str, args: MembershipArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hardway:membership:Membership", name, {}, opts)
        runner = args.machines[args.topology.control_plane_nodes[0].name]
        command.local.Command(
            name,
            create=_DEPARTURES,
            stdin=pulumi.Output.secret(_order(args, runner)),
            logging=command.local.Logging.NONE,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*([runner.resource] if runner.resource else []), *runner.after, *args.after],
                deleted_with=runner.resource,
            ),
        )
        self.register_outputs({"nodes": [node.name for node in args.topology.nodes]})


def _order(args: MembershipArgs, runner: Machine) -> pulumi.Output[str]:
    """What `Order.from_json` reads."""
    topology, way = args.topology, runner.connection
    words = {
        "DRAIN_SECONDS": str(int(args.drain.total_seconds())),
        "MEMBERS": " ".join(f"{node.name}={node.address}" for node in topology.etcd_nodes),
        "NODES": " ".join(node.name for node in topology.kubelet_nodes),
    }
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in words.items())
    line = f"{runner.become}env {settings} sh {ROOT}/{SCRIPT}"
    return pulumi.Output.json_dumps(
        {
            "nodes": {node.name: _node(node, args.machines[node.name]) for node in topology.nodes},
            "runner": runner.name,
            "route": _route(way),
            "bastion": _route(way.proxy) if way.proxy else None,
            # Of a new cluster nothing can have left but members of an `up` that was ended half way.
            "first": f"{line} etcd",
            "later": f"{line} all",
            "privateKey": way.private_key,
        }
    )


def _node(node: NodePlan, machine: Machine) -> dict[str, object]:
    return {"address": node.address, "identity": machine.identity, "roles": sorted(node.roles)}


def _route(way: command.remote.ConnectionArgs | command.remote.ProxyConnectionArgs) -> dict[str, object]:
    return {"host": way.host, "port": way.port, "user": way.user, "host_key": way.host_key}
