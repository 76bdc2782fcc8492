"""Command lines with which an operator asks machines for something, in the stack's outputs."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from components.node.model import ROOT
from components.rollout.node_release import StagedNode
from components.rollout.restore import first_to_activate
from components.topology import Topology

Commands = dict[str, pulumi.Output[str]]
"""A command line for each machine, by the name of the node."""


def snapshot_commands(topology: Topology, staged: Mapping[str, StagedNode]) -> dict[str, Commands]:
    """For `now`, `list` and `state`, command lines of all members of etcd; for `give`, of the one that restores."""
    found = {what: _on_members(topology, staged, f"backup.sh {what}") for what in ("now", "list", "state")}
    restores = first_to_activate(topology).name
    return found | {"give": {restores: _command(staged[restores], "restore.sh give")}}


def upkeep_commands(topology: Topology, staged: Mapping[str, StagedNode]) -> Commands:
    """The command line that carries out requests about a member of etcd: defrag.sh describes them."""
    return _on_members(topology, staged, "defrag.sh")


def status_commands(staged: Mapping[str, StagedNode]) -> Commands:
    """The command line that prints the state of each machine: status.sh describes its lines."""
    return {name: _command(node, "status.sh") for name, node in staged.items()}


def cis_commands(staged: Mapping[str, StagedNode]) -> Commands:
    """The command line that runs kube-bench, which comes on standard input, on each machine: cis.sh describes it."""
    return {name: _command(node, "cis.sh") for name, node in staged.items()}


def _on_members(topology: Topology, staged: Mapping[str, StagedNode], script: str) -> Commands:
    return {node.name: _command(staged[node.name], script) for node in topology.etcd_nodes}


def _command(node: StagedNode, script: str) -> pulumi.Output[str]:
    return node.machine.shell(f"sh {ROOT}/current/{script}")
