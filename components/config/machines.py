"""`hardway:machines`: what every provider of machines says, and the one whose machines are containers here."""

from typing import Annotated, ClassVar, Literal

from components.config.names import Cidr
from components.config.section import Choice, Section, whole


class Machines(Section):
    """What every provider says about itself to the rules of the page."""

    chooses_addresses: ClassVar[bool] = False
    """The provider gives an address to nodes without one."""
    brings_mirror: ClassVar[bool] = False
    """The provider serves the artifact mirror of this host to its machines."""

    @property
    def known_subnet(self) -> str | None:
        """Network of the machines as a CIDR, when the page says it."""
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
