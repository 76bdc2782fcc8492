"""`hardway:machines`: what every provider of machines says, and the one whose machines are containers here."""

from typing import Annotated, ClassVar, Literal

from components.config.names import Address, Cidr, Interface, Port
from components.config.section import Choice, Section, whole


class Vip(Section):
    """A virtual address that one of the control-plane nodes holds (keepalived), with haproxy on each of them."""

    address: Address
    """The virtual address: a free one in the network of the control-plane nodes."""
    port: Port = 8443
    """Port of haproxy on every control-plane node, and of the API at the virtual address."""
    interface: Interface | None = None
    """Network interface that gets the address. Unset: the one with the node's own address."""
    router_id: Annotated[int, whole("whole number", 1, 255)] = 51
    """VRRP's identifier of this group of machines; another group in the same network has another one."""


class Machines(Section):
    """What every provider says about itself to the rules of the page."""

    chooses_addresses: ClassVar[bool] = False
    """The provider gives an address to nodes without one."""
    brings_mirror: ClassVar[bool] = False
    """The provider serves the artifact mirror of this host to its machines."""
    takes_ssh: ClassVar[bool] = False
    """The page says of each node how it is reached: `nodes[].ssh`."""

    @property
    def known_subnet(self) -> str | None:
        """Network of the machines as a CIDR, when the page says it."""
        return None

    @property
    def virtual_address(self) -> Vip | None:
        """The virtual address that the machines hold for the API, if they do."""
        return None


class LocalMachines(Machines):
    """Containers on this host which boot systemd: the laptop cluster."""

    chooses_addresses: ClassVar[bool] = True
    brings_mirror: ClassVar[bool] = True

    provider: Literal["local"] = "local"
    """Who makes the machines."""
    engine: Annotated[Literal["auto", "podman", "docker"], Choice()] = "auto"
    """Container engine. `auto`: the one that `make tools` found."""
    subnet: Cidr | None = None
    """Network of the machines. Unset: a free one is chosen. Host 1 is this host, host 2 the gateway."""
    port_base: Annotated[int, whole("port", 1024, 64000)] | None = None
    """First of 64 ports on 127.0.0.1 that lead to the cluster. Unset: free ones are chosen."""

    @property
    def known_subnet(self) -> str | None:
        """The subnet of the page."""
        return self.subnet
