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
from components.topology import Topology


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
    """One command on the first control-plane node, which stays when others go.

    A machine that leaves the page may be dead, and nothing is run on it when it goes; so those that stay let its pods
    go, and its member of etcd. Pulumi deletes machines at the very end of an `up`: after this, and only if this
    succeeded. The command runs again when a node comes or goes, or has another machine; else nobody is dialled.
    """

    def __init__(self, name: str, args: MembershipArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hardway:membership:Membership", name, {}, opts)
        runner = args.machines[args.topology.control_plane_nodes[0].name]
        identities = {node.name: args.machines[node.name].identity for node in args.topology.nodes}
        text = pulumi.Output.all(**identities).apply(lambda known: _command(args, runner, known))
        command.remote.Command(
            name,
            connection=runner.connection,
            # Of a new cluster nothing can have left but members of an `up` that was ended half way.
            create=text.apply(lambda line: f"{line} etcd"),
            update=text.apply(lambda line: f"{line} all"),
            logging=command.remote.Logging.NONE,
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*([runner.resource] if runner.resource else []), *runner.after, *args.after],
                deleted_with=runner.resource,
            ),
        )
        self.register_outputs({"nodes": [node.name for node in args.topology.nodes]})


def _command(args: MembershipArgs, runner: Machine, identities: Mapping[str, str]) -> str:
    """The command line but for what to do; machines are named in it so that it changes with them."""
    topology = args.topology
    words = {
        "DRAIN_SECONDS": str(int(args.drain.total_seconds())),
        "MEMBERS": " ".join(f"{node.name}={node.address}" for node in topology.etcd_nodes),
        "NODES": " ".join(node.name for node in topology.kubelet_nodes),
        "MACHINES": " ".join(f"{name}={identity}" for name, identity in identities.items()),
    }
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in words.items())
    return f"{runner.become}env {settings} sh {ROOT}/{SCRIPT}"
