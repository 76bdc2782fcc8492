"""Logical names of the Pulumi resources of a node: this module builds them and parses them.

A name is a node and a suffix, such as `cp-1-stage`. The names are in the states of running stacks, so they must not
change. Code that parses a name has to check the type of the resource too: roles, firewall rules and buckets may have
the same suffix.
"""

from __future__ import annotations

from enum import StrEnum

GATEWAY = "gateway"
"""The name of the gateway of a local network. No node of a local stack may have this name."""

SETTLE = "settle"
"""The name of the command that brings the API to the generations in use, in a rotation."""

GRANT = "grant"
"""The name of the command that gives the program its rights in the API."""

RESTORE_FETCH = "etcd-restore-fetch"
"""The name of the command that fetches the snapshot of a restore."""

BEFORE_UPGRADE = "etcd-snapshot-before-upgrade"
"""The name of the command that takes a snapshot before another minor version of etcd or Kubernetes is activated."""

NODE_OBJECT = "node-"
"""The beginning of the name of a Node object, before the name of the node."""

MACHINE_TYPES = ("command:local:Command", "aws:ec2/instance:Instance")
"""Types of the resources that are machines: containers, and instances of AWS."""


class NodeResource(StrEnum):
    """The kinds of resources of a node. The value is the suffix of the name."""

    MACHINE = "-machine"
    """The machine itself, of one of the types in `MACHINE_TYPES`."""
    STAGE = "-stage"
    """The command that brings a release onto the machine."""
    ACTIVATE = "-activate"
    """The command that makes the release current."""
    CREDENTIALS = "-credentials"
    """The command that brings the kubelet's certificate and the tokens of pods to the generations in use."""
    RESTORE = "-restore"
    """The command that stops API servers, controllers and etcd on a machine before a restore."""
    DATA = "-data"
    """The volume of an etcd member's data, and its attachment."""
    AUTHORIZED_KEYS = "-authorized-keys"
    """The command that brings the login keys of the program on a machine to the trusted generations."""
    SSH_HOST_KEY = "-ssh-host"
    """The SSH host key of a machine that the program makes."""

    def name_for(self, node: str) -> str:
        """The name of this resource for a node."""
        return f"{node}{self.value}"

    def node_in(self, name: str) -> str:
        """The node in the name of a resource. Empty if the name is not of this kind."""
        return name.removesuffix(self.value) if name.endswith(self.value) else ""


def name_of(urn: str) -> str:
    """The logical name in a URN, https://www.pulumi.com/docs/iac/concepts/resources/names/#urns."""
    return urn.rpartition("::")[2]


def of_generation(name: str, generation: int) -> str:
    """The name of the resource with a key, in a generation. Generation 1 has the plain name, as in earlier versions."""
    return name if generation == 1 else f"{name}-{generation}"


def signed_by_service(leaf: str) -> str:
    """The name of the command that gets the certificate of a leaf from a signing service."""
    return f"{leaf}-signed"
