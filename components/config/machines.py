"""`hardway:machines`: what all providers have in common, and the provider `local` with containers on this host."""

from collections.abc import Collection
from typing import Annotated, ClassVar, Literal

from components.architecture import of_this_machine
from components.config.names import Address, Cidr, Interface, Port
from components.config.section import Choice, Section, whole


class Vip(Section):
    """A virtual address that one of the control-plane nodes holds (keepalived), with haproxy on each of them."""

    address: Address
    """The virtual address: a free address in the network of the control-plane nodes."""
    port: Port = 8443
    """Port of haproxy on every control-plane node, and of the API at the virtual address."""
    interface: Interface | None = None
    """Network interface that gets the address. Unset: the interface with the node's own address."""
    router_id: Annotated[int, whole("whole number", 1, 255)] = 51
    """VRRP identifier of this group of machines. Another group in the same network needs another identifier."""


class MachinesSection(Section):
    """What the rules of the page need to know about a provider."""

    chooses_addresses: ClassVar[bool] = False
    """The provider gives an address to nodes without one."""
    serves_mirror: ClassVar[bool] = False
    """The provider serves the artifact mirror of this host to its machines."""
    takes_ssh: ClassVar[bool] = False
    """The page sets for each node how SSH reaches it: `nodes[].ssh`."""

    @property
    def known_subnet(self) -> str | None:
        """Network of the machines as a CIDR, if the page sets it."""
        return None

    @property
    def virtual_address(self) -> Vip | None:
        """The virtual address that the machines hold for the API, if there is one."""
        return None

    def architecture_of(self, roles: Collection[str]) -> str | None:
        """The architecture of a machine with these roles. None if each node says its own."""
        return None

    def architecture_key(self, roles: Collection[str]) -> str:
        """The key of the page for the architecture of machines with these roles. Empty if there is none."""
        return ""


class LocalSection(MachinesSection):
    """Containers on this host that boot systemd, for a local cluster."""

    chooses_addresses: ClassVar[bool] = True
    serves_mirror: ClassVar[bool] = True

    provider: Literal["local"] = "local"
    """Who makes the machines."""
    engine: Annotated[Literal["auto", "podman", "docker"], Choice()] = "auto"
    """Container engine. `auto`: the engine that `make tools` found."""
    subnet: Cidr | None = None
    """Network of the machines. Unset: a free network is chosen. Host 1 is this host, host 2 the gateway."""
    port_base: Annotated[int, whole("port", 1024, 64000)] | None = None
    """First of 64 ports on 127.0.0.1 that lead to the cluster. Unset: free ports are chosen."""

    @property
    def known_subnet(self) -> str | None:
        """The subnet of the page."""
        return self.subnet

    def architecture_of(self, roles: Collection[str]) -> str | None:
        """Containers have the processor of this host."""
        return of_this_machine()
