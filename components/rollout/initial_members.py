"""Which machines are the initial members of etcd: recorded once, in Pulumi's state."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

import pulumi

from components.machines.base import Machine
from components.node.render.etcd import initial_member_material
from components.pki.material import Material, public
from components.topology import Topology

T = TypeVar("T")
_STASH = "etcd-founders"
"""The name is state of running stacks, so it stays."""


def etcd_initial_members(topology: Topology, machines: Mapping[str, Machine]) -> dict[str, Material]:
    """For each member of etcd the material that says whether its machine is an initial member, `yes` or `no`.

    The first `up` records the machines of all members; no later run changes the record. A machine that replaces another
    one, or the machine of a node that was added later, is not an initial member: without data it joins the cluster, and
    never starts a cluster of its own.
    """
    identities = {node.name: machines[node.name].identity for node in topology.etcd_nodes}
    # Without the resources that the value comes from: replacing a machine must not replace the record.
    found = pulumi.Output.all(**identities).apply(lambda known: known)
    recorded = pulumi.Stash(
        _STASH, input=without_resources(found), opts=pulumi.ResourceOptions(ignore_changes=["input"])
    )
    return {
        initial_member_material(name): public(
            pulumi.Output.all(recorded=recorded.output, identity=identity).apply(partial(_is_initial, name))
        )
        for name, identity in identities.items()
    }


def _is_initial(name: str, known: Mapping[str, Any]) -> str:
    return "yes\n" if known["recorded"].get(name) == known["identity"] else "no\n"


def without_resources(output: pulumi.Output[T]) -> pulumi.Output[T | None]:
    """The same value, without the resources that it depends on."""
    return pulumi.Output(set(), output.future(with_unknowns=True), output.is_known(), output.is_secret())
