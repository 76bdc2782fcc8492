"""The site of a stack on existing hosts: the page has their addresses and the endpoint of the API."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from components.config import ConfigError, Finding, Page
from components.config.existing import ExistingSection
from components.machines.base import Machines
from components.machines.existing import ExistingMachines, ExistingMachinesArgs
from components.topology import Topology, plan


@dataclass(frozen=True)
class ExistingSite:
    """The hosts of a page, and the private key of their user (None: the operator's SSH agent has it)."""

    page: Page
    hosts: ExistingSection
    private_key: str | None = field(repr=False)

    def topology(self, page: Page) -> Topology:
        """The topology. The API is reached at `endpoint`, else at the virtual address, else at the only API server."""
        hosts = self.hosts
        control_plane = next(node for node in page.nodes if "control-plane" in node.roles)
        endpoint = (control_plane.address or "", page.api.port)
        if hosts.vip:
            endpoint = (hosts.vip.address, hosts.vip.port)
        if hosts.endpoint:
            endpoint = (hosts.endpoint.host, hosts.endpoint.port)
        return plan(page, None, endpoint, further_sans=(hosts.vip.address,) if hosts.vip else ())

    def make_machines(self, topology: Topology) -> Machines:
        """The hosts, after their preflight."""
        args = ExistingMachinesArgs(self.page, self.hosts, topology, self.private_key)
        return ExistingMachines("hosts", args).machines


def existing_site(page: Page, hosts: ExistingSection) -> ExistingSite:
    """Read the private key. Raises ConfigError if its file cannot be read."""
    if hosts.private_key_file is None:
        return ExistingSite(page, hosts, hosts.private_key)
    path = Path(hosts.private_key_file).expanduser()
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "the file is not text"
        problem = f"{hosts.private_key_file!r} cannot be read: {why}"
        finding = Finding("machines.privateKeyFile", problem, "a private key in PEM form without a passphrase")
        raise ConfigError([finding]) from None
    return ExistingSite(page, hosts, text)
