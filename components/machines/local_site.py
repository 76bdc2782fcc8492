"""Where a local stack lives: its lab on this host, and what this host was prepared with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from components.config import Page
from components.config.machines import LocalMachines as LocalPage
from components.machines.base import Machines
from components.machines.host_facts import HostFacts, read_host_facts
from components.machines.lab import Lab, reserve
from components.machines.local import LocalMachines, LocalMachinesArgs
from components.topology import LabNetwork, Topology, plan

# Relative to the project's folder, in which Pulumi runs programs.
FACTS = Path(".cache/local.json")
STATE = Path(".state")


@dataclass(frozen=True)
class LocalSite:
    """The host's side of a local stack."""

    lab: Lab
    facts: HostFacts

    def topology(self, page: Page) -> Topology:
        """The page with the lab's addresses; the API is reached by way of the gateway's port on 127.0.0.1."""
        return plan(page, LabNetwork(self.lab.subnet, self.lab.hosts), ("127.0.0.1", self.lab.port_base))

    def make_machines(self, topology: Topology) -> Machines:
        """The containers."""
        return LocalMachines("lab", LocalMachinesArgs(topology, self.lab, self.facts)).machines


def local_site(page: Page, machines: LocalPage, stack: str) -> LocalSite:
    """Reserve the lab and read the facts. Raises LabError or HostFactsError."""
    facts = read_host_facts(FACTS, machines.engine)
    if page.artifacts.source == "upstream":
        facts = HostFacts(facts.engine, facts.node_image, None, None)
    nodes = {node.name: node.address for node in page.nodes}
    lab = reserve(STATE / stack, stack, page.cluster.name, nodes, machines.subnet, machines.port_base)
    return LocalSite(lab, facts)
