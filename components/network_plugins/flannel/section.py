"""`hardway:network.flannel`: the settings of flannel, and what follows from them for machines and firewalls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from components.config.cluster import Versions
from components.config.names import Port
from components.config.section import Choice, whole
from components.network_plugins.contract import NodePort, PluginSection


class FlannelSection(PluginSection):
    """How flannel carries packets between nodes, see flannel's `backends.md`."""

    title: ClassVar[str] = "flannel"

    backend: Annotated[Literal["vxlan", "host-gw"], Choice()] = "vxlan"
    """`vxlan` works everywhere; `host-gw` is faster and needs all nodes in one layer-2 network."""
    vni: Annotated[int, whole("whole number", 1, 16777215)] = 1
    """VXLAN network identifier (24 bits)."""
    port: Port = 8472
    """UDP port of VXLAN. 8472 is the kernel's default, 4789 the registered one."""

    @property
    def ports(self) -> tuple[NodePort, ...]:
        """The port of VXLAN."""
        return (NodePort(self.port, "udp"),) if self.backend == "vxlan" else ()

    @property
    def modules(self) -> tuple[str, ...]:
        """VXLAN, which the kernels of some distributions have in a package of its own."""
        return ("vxlan",) if self.backend == "vxlan" else ()

    @property
    def routes_pod_packets(self) -> bool:
        """host-gw adds routes and leaves packets as they are."""
        return self.backend == "host-gw"

    def artifacts(self, versions: Versions) -> Mapping[str, str]:
        """The CNI plugin of flannel."""
        return {"cni-flannel": versions.cni_flannel}

    def images(self, versions: Versions) -> Mapping[str, str]:
        """Flanneld."""
        return {"flannel": versions.flannel}
