"""A restore on the page: the files that tell a machine, and the units that restart for it."""

from __future__ import annotations

from dataclasses import replace

from components.config.backup import Restore
from components.node.model import NodeFile, NodePart, Ref
from components.topology import NodePlan

FILE, RESTORES = "cfg/restore", "cfg/etcd-restores"
_CONCERNED = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


def with_restore(part: NodePart, restore: Restore, node: NodePlan) -> NodePart:
    """The part of a member or a control-plane node: etcd, API servers and controllers restart for another number."""
    if not (node.is_etcd or node.is_control_plane):
        return part
    files = [NodeFile(FILE, f"{restore.number} {restore.snapshot}\n")]
    if node.is_etcd:
        files.append(NodeFile(RESTORES, Ref(restores_material(node.name))))
    units = tuple(
        replace(unit, restart_on=(*unit.restart_on, FILE)) if unit.name.removesuffix(".service") in _CONCERNED else unit
        for unit in part.units
    )
    return replace(part, files=(*part.files, *files), units=units)


def restores_material(node: str) -> str:
    """The name of the material that says whether a member's machine is the one that restores: rollout/restore.py."""
    return f"{node}-etcd:restores"
