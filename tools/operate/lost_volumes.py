"""Data volumes in AWS that are gone, or whose instances are gone, leave the state before machines are replaced."""

from __future__ import annotations

from collections.abc import Sequence

from components.resource_names import NodeResource, name_of
from tools.common.errors import ToolError
from tools.common.progress import say
from tools.operate.stack import Stack

_TYPES = ("aws:ebs/volume:Volume", "aws:ec2/volumeAttachment:VolumeAttachment")


def forget(stack: Stack, machines: Sequence[str]) -> bool:
    """Ask AWS for the data volumes of machines that are to be replaced. `machines` are URNs.

    A volume that exists stays in the state, and the new machine gets it. A volume that does not exist leaves the state,
    so that `up` makes one; so does an attachment to a volume or to an instance that does not exist: the provider would
    stop the instance and detach the volume, and AWS refuses both. In AWS nothing changes.

    Returns whether there was something to ask for. Raises ToolError if AWS does not answer.
    """
    nodes = {NodeResource.MACHINE.node_in(name_of(urn)) for urn in machines}
    urns = [
        str(resource["urn"])
        for resource in stack.state().get("resources") or []
        if resource["type"] in _TYPES and NodeResource.DATA.node_in(name_of(resource["urn"])) in nodes
    ]
    if not urns:
        return False
    say("asking AWS whether the data volumes of these machines exist")
    if stack.refresh(urns) != 0:
        raise ToolError(f"AWS does not say which data volumes of stack {stack.name} exist; no machine was changed")
    return True
