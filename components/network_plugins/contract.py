"""What the rest of the program needs from a network plugin: the page, the nodes, the firewalls, the cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from components.config.section import Section

if TYPE_CHECKING:
    import pulumi

    from components.config import Page
    from components.config.cluster import Versions
    from components.node.model import NodePart


@dataclass(frozen=True)
class NodePort:
    """A port on which the plugin of a node receives packets from the plugins of other nodes."""

    number: int
    protocol: Literal["tcp", "udp"]


class PluginSection(Section):
    """The section of the page for a plugin, and what follows from the section for machines and firewalls. Pure."""

    title: ClassVar[str]
    """The name of the plugin in messages."""

    @property
    def ports(self) -> tuple[NodePort, ...]:
        """Ports that the plugin uses on every Kubernetes node."""
        raise NotImplementedError

    @property
    def modules(self) -> tuple[str, ...]:
        """Modules of the kernel without which the plugin cannot work. The plugin, or the kernel, loads them."""
        raise NotImplementedError

    @property
    def routes_pod_packets(self) -> bool:
        """Whether packets of pods cross the machines' network unchanged, with the addresses of pods.

        If so, then machines have to forward packets of other machines, and firewalls have to allow every packet of a
        pod. Otherwise packets of pods travel inside packets of machines.
        """
        raise NotImplementedError

    def artifacts(self, versions: Versions) -> Mapping[str, str]:
        """Versions of the artifacts that the plugin has on every Kubernetes node, by name."""
        raise NotImplementedError

    def images(self, versions: Versions) -> Mapping[str, str]:
        """Versions of the images that the plugin runs, by name."""
        raise NotImplementedError


@dataclass(frozen=True)
class ObjectsArgs:
    """What a plugin's objects in the cluster are made from.

    `images` are pinned references by name, then by architecture of the node; `node_local_port` is the port on 127.0.0.1
    of every node that leads to the API servers, for a plugin that must not need service addresses; `trust` are
    annotations for pods that use the API.
    """

    page: Page
    images: Mapping[str, Mapping[str, str]]
    node_local_port: int
    trust: Mapping[str, str] = field(default_factory=dict)


class NetworkPlugin(Protocol):
    """A network plugin: pods of all nodes reach each other."""

    def node_part(self, page: Page) -> NodePart:
        """Files, units, artifacts and remnants on every node with a kubelet, after the container runtime."""

    def make_objects(self, name: str, args: ObjectsArgs, opts: pulumi.ResourceOptions) -> Sequence[pulumi.Resource]:
        """Make the plugin's objects in the cluster; when the result is done, pods of every node have a network."""
