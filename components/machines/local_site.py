"""The site of a local stack: its local network, and what `make tools` prepared on this host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from components.config import Page
from components.config.generations import Generations
from components.config.machines import LocalSection
from components.machines.base import Machines
from components.machines.host_facts import HostFacts, read_host_facts
from components.machines.local import LocalMachines, LocalMachinesArgs
from components.machines.local_network import LocalNetwork, choose, keep
from components.topology import MachineNetwork, Topology, plan

# Relative to the project's folder, where Pulumi runs programs.
FACTS = Path(".cache/local.json")
STATE = Path(".state")


@dataclass(frozen=True)
class LocalSite:
    """A local stack on this host. `state` is the folder of the stack's files."""

    state: Path
    network: LocalNetwork
    facts: HostFacts
    login: Generations

    def topology(self, page: Page) -> Topology:
        """The topology with addresses of the local network. The API is at the gateway's port on 127.0.0.1."""
        return plan(
            page, MachineNetwork(self.network.subnet, self.network.hosts), ("127.0.0.1", self.network.port_base)
        )

    def make_machines(self, topology: Topology) -> Machines:
        """The containers."""
        network = keep(self.state, self.network)
        return LocalMachines("lab", LocalMachinesArgs(topology, network, self.facts, self.login)).machines


def local_site(page: Page, machines: LocalSection, stack: str) -> LocalSite:
    """Choose the local network and read the facts. Raises LocalNetworkError or HostFactsError."""
    facts = read_host_facts(FACTS, machines.engine)
    nodes = {node.name: node.address for node in page.nodes}
    network = choose(STATE / stack, stack, page.cluster.name, nodes, machines.subnet, machines.port_base)
    return LocalSite(STATE / stack, network, facts, page.pki.generations.ssh)
