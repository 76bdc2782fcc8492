"""Which machines founded etcd: written down once, in Pulumi's state."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from components.machines.base import Machine
from components.node.render.etcd import founder_material
from components.pki.material import Material, public
from components.topology import Topology


def etcd_founders(topology: Topology, machines: Mapping[str, Machine]) -> dict[str, Material]:
    """For each member of etcd the material that says whether its machine is a founder, `yes` or `no`.

    The first `up` writes down the machines of all members; nothing changes that later. A machine that is made anew, or
    a node that comes later, is none: without data it joins, and never starts a cluster of its own.
    """
    identities = {node.name: machines[node.name].identity for node in topology.etcd_nodes}
    # Without the resources they come from: to replace a machine must not mean to replace what is written down here.
    found = pulumi.Output.all(**identities).apply(lambda known: known)
    founders = pulumi.Stash(
        "etcd-founders", input=_value_of(found), opts=pulumi.ResourceOptions(ignore_changes=["input"])
    )
    return {
        founder_material(name): public(
            pulumi.Output.all(founders=founders.output, identity=identity).apply(
                lambda known, name=name: "yes\n" if known["founders"].get(name) == known["identity"] else "no\n"
            )
        )
        for name, identity in identities.items()
    }


def _value_of(output: pulumi.Output[dict[str, str]]) -> pulumi.Output[dict[str, str]]:
    """The same value, as if it came from nowhere."""
    return pulumi.Output(set(), output.future(with_unknowns=True), output.is_known(), output.is_secret())
