"""Where a stack on existing hosts lives: their addresses are on the page, and so is the way to the API."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from components.config import ConfigError, Finding, Page
from components.config.existing import ExistingMachines as ExistingPage
from components.machines.base import Machines
from components.machines.existing import ExistingMachines, ExistingMachinesArgs
from components.topology import Topology, plan


@dataclass(frozen=True)
class ExistingSite:
    """The hosts of a page, and the private key for their user (None: the SSH agent of the operator has it)."""

    page: Page
    hosts: ExistingPage
    private_key: str | None = field(repr=False)

    def topology(self, page: Page) -> Topology:
        """The page as it is. People reach the API at `endpoint`, else the virtual address, else the only API server."""
        hosts = self.hosts
        control_plane = next(node for node in page.nodes if "control-plane" in node.roles)
        endpoint = (control_plane.address or "", page.api.port)
        if hosts.vip:
            endpoint = (hosts.vip.address, hosts.vip.port)
        if hosts.endpoint:
            endpoint = (hosts.endpoint.host, hosts.endpoint.port)
        return plan(page, None, endpoint, further_sans=(hosts.vip.address,) if hosts.vip else ())

    def make_machines(self, topology: Topology) -> Machines:
        """The hosts, once they are found fit."""
        args = ExistingMachinesArgs(self.page, self.hosts, topology, self.private_key)
        return ExistingMachines("hosts", args).machines


def existing_site(page: Page, hosts: ExistingPage) -> ExistingSite:
    """Read the private key. Raises ConfigError when its file cannot be read."""
    if hosts.private_key_file is None:
        return ExistingSite(page, hosts, hosts.private_key)
    path = Path(hosts.private_key_file).expanduser()
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        problem = f"{hosts.private_key_file!r} cannot be read: {why}"
        finding = Finding("machines.privateKeyFile", problem, "a private key in PEM form without a passphrase")
        raise ConfigError([finding]) from None
    return ExistingSite(page, hosts, text)
