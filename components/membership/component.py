"""Removes nodes from the cluster that the page no longer has, before their machines are deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pulumi
import pulumi_command as command

from components.machines.base import Machine
from components.machines.ssh import Route
from components.topology import NodePlan, Topology

_PROGRAM = "python3 -m components.membership.removed_nodes"


@dataclass(frozen=True)
class MembershipArgs:
    """The topology, the machines by node, the time limit of a drain, and the resources that have to exist before.

    `after` are all activations, and the RBAC rules of the maintenance credential.
    """

    topology: Topology
    machines: Mapping[str, Machine]
    drain: timedelta
    after: Sequence[pulumi.Resource]


class Membership(pulumi.ComponentResource):
    """A command on the operator's machine that removes nodes through the first control-plane node.

    The machine of a removed node may be dead, and nothing runs on it when it is deleted. So a machine that stays drains
    the node and removes its etcd member. Pulumi deletes machines at the very end of an `up`: after this command, and
    only if it succeeded. Finding out that no node was removed needs no connection (`removed_nodes.py`).
    """

    def __init__(self, name: str, args: MembershipArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hardway:membership:Membership", name, {}, opts)
        runner = args.machines[args.topology.control_plane_nodes[0].name]
        secret: pulumi.Output[str] = pulumi.Output.secret(_request(args, runner))
        command.local.Command(
            name,
            create=_PROGRAM,
            stdin=secret,
            logging=command.local.Logging.NONE,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*([runner.resource] if runner.resource else []), *runner.after, *args.after],
                deleted_with=runner.resource,
            ),
        )
        self.register_outputs({"nodes": [node.name for node in args.topology.nodes]})


def _request(args: MembershipArgs, runner: Machine) -> pulumi.Output[str]:
    """The input of `RemovalRequest.from_json`."""
    topology, access = args.topology, runner.access
    machines = {node.name: args.machines[node.name] for node in topology.nodes}
    return pulumi.Output.json_dumps(
        {
            "nodes": {node.name: _node(node, machines[node.name]) for node in topology.nodes},
            "routes": {name: _route(machine.access.route) for name, machine in machines.items()},
            "bastion": _route(access.bastion) if access.bastion else None,
            "runner": runner.name,
            "become": runner.become,
            "drainSeconds": int(args.drain.total_seconds()),
            "privateKey": access.private_key,
        }
    )


def _node(node: NodePlan, machine: Machine) -> dict[str, object]:
    return {
        "address": node.address,
        "identity": machine.identity,
        "roles": sorted(node.roles),
        "machine": machine.resource.id if isinstance(machine.resource, pulumi.CustomResource) else machine.identity,
    }


def _route(route: Route) -> dict[str, object]:
    return {"host": route.host, "port": route.port, "user": route.user, "host_key": route.host_key}
