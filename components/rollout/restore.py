"""A restore: one member fetches the snapshot, everything that uses the old data stops, activations do the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pulumi

from components.config.backup import Restore
from components.machines.base import Machine
from components.node.render.restore import restores_material
from components.pki.material import Material, public
from components.resource_names import RESTORE_FETCH, NodeResource
from components.rollout.initial_members import without_resources
from components.rollout.node_release import StagedNode, command_on
from components.topology import NodePlan, Topology


def first_to_activate(topology: Topology) -> NodePlan:
    """The member that restores the snapshot. The other members join it."""
    return (*topology.first_members, *topology.etcd_nodes)[0]


def again_after(restore: Restore | None) -> str:
    """The end of a script that runs again after each restore: the shell ignores what comes after the sign #."""
    return f" # restore {restore.number}" if restore else ""


def restore_material(
    restore: Restore | None, topology: Topology, machines: Mapping[str, Machine]
) -> dict[str, Material]:
    """For each member the material that says whether its machine restores the snapshot, `yes` or `no`.

    The state records the machine once for each number. So a machine that replaces it later joins the cluster, and does
    not bring the old snapshot back.
    """
    if restore is None:
        return {}
    first = machines[first_to_activate(topology).name]
    identity = pulumi.Output.from_input(first.identity)
    recorded = pulumi.Stash(
        f"etcd-restore-{restore.number}",
        input=without_resources(identity),
        opts=pulumi.ResourceOptions(ignore_changes=["input"]),
    )
    return {
        restores_material(node.name): public(
            pulumi.Output.all(recorded=recorded.output, identity=machines[node.name].identity).apply(
                partial(_restores, is_first=node.name == first.name)
            )
        )
        for node in topology.etcd_nodes
    }


def _restores(known: Mapping[str, Any], *, is_first: bool) -> str:
    return "yes\n" if is_first and known["recorded"] == known["identity"] else "no\n"


@dataclass(frozen=True)
class EtcdRestoreArgs:
    """The restore on the page, and the staged nodes."""

    restore: Restore
    topology: Topology
    staged: Mapping[str, StagedNode]


class EtcdRestore(pulumi.ComponentResource):
    """Stops everything that uses the data of etcd, after the snapshot is verified on the machine that restores.

    `begun` are the commands after which members may be activated. Each command runs once for each number.
    """

    begun: list[pulumi.Resource]

    def __init__(self, name: str, args: EtcdRestoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        shown = {"number": args.restore.number, "snapshot": args.restore.snapshot}
        super().__init__("hardway:etcd:EtcdRestore", name, shown, opts)
        self.begun = self._begin(args)
        self.register_outputs({})

    def _begin(self, args: EtcdRestoreArgs) -> list[pulumi.Resource]:
        restore, topology, staged = args.restore, args.topology, args.staged
        first = staged[first_to_activate(topology).name]
        fetched = command_on(
            RESTORE_FETCH,
            first.machine,
            first.newest_script("restore", f"fetch {restore.number} {restore.snapshot}"),
            None,
            self,
            [node.command for node in staged.values()],
        )
        names = dict.fromkeys(node.name for node in (*topology.etcd_nodes, *topology.control_plane_nodes))
        return [
            command_on(
                NodeResource.RESTORE.name_for(name),
                staged[name].machine,
                staged[name].newest_script("restore", f"begin {restore.number}"),
                None,
                self,
                [fetched],
            )
            for name in names
        ]
