"""Which piece of work a resource is: a phase, and the node or the thing that the phase is about."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from components.resource_names import MACHINE_TYPES, NODE_OBJECT, NodeResource


class Phase(StrEnum):
    """The phases of a run. The value is how a line names the phase."""

    KEYS = "keys and certificates"
    CLOUD = "resources of the cloud"
    MACHINE = "machine"
    STAGE = "stage"
    ACTIVATE = "activate"
    READY = "Ready"
    OBJECTS = "objects of the API"
    PODS = "pods"
    STEP = "step"


@dataclass(frozen=True, order=True)
class Work:
    """`subject` is a node or a thing with a line of its own. Empty: only the number of resources is told."""

    phase: Phase
    subject: str = ""

    @property
    def label(self) -> str:
        """How a line names this work, such as `cp-1 stage`."""
        if self.phase is Phase.STEP:
            return self.subject
        return f"{self.subject} {self.phase}".lstrip()


_COMMANDS = ("command:local:Command", "command:remote:Command")
_OF_NODES = {NodeResource.STAGE: Phase.STAGE, NodeResource.ACTIVATE: Phase.ACTIVATE}
_HAS_PODS = ("DaemonSet", "Deployment", "StatefulSet", "Job")


def work_of(type_: str, name: str) -> Work | None:
    """The work that a resource is. None for components, providers and the stack, which do nothing by themselves."""
    package, _, rest = type_.partition(":")
    if package == "tls" or type_ == "pulumi:index:Stash":
        return Work(Phase.KEYS)
    if package in ("pulumi", "hardway"):
        return None
    if type_ in MACHINE_TYPES and (node := NodeResource.MACHINE.node_in(name)):
        return Work(Phase.MACHINE, node)
    if type_ in _COMMANDS:
        for node_resource, phase in _OF_NODES.items():
            if node := node_resource.node_in(name):
                return Work(phase, node)
        return Work(Phase.STEP, name)
    if package != "kubernetes":
        return Work(Phase.CLOUD)
    kind = rest.rpartition(":")[2]
    if kind == "Node":
        return Work(Phase.READY, name.removeprefix(NODE_OBJECT))
    return Work(Phase.PODS, name) if kind in _HAS_PODS else Work(Phase.OBJECTS)
