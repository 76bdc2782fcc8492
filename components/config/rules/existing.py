"""Rules about hosts that are there already: how they are reached, and where their API is."""

import ipaddress
from collections.abc import Iterator

from components.config import ports
from components.config.errors import Finding
from components.config.existing import ExistingMachines
from components.config.page import Page
from components.config.rules.common import repeated


def ssh_of_nodes(page: Page) -> Iterator[Finding]:
    """Each node says its `ssh.hostKey` with the provider `existing`, and no `ssh` with another; none is said twice."""
    for index, node in enumerate(page.nodes):
        if page.machines.takes_ssh and node.ssh is None:
            problem = f"is missing, the provider {page.machines.provider} trusts no host that it does not know"
            yield Finding(f"nodes[{index}].ssh.hostKey", problem, "the host's public key; `make host-keys` prints it")
        if not page.machines.takes_ssh and node.ssh is not None:
            problem = f"is there, the provider {page.machines.provider} reaches its machines its own way"
            yield Finding(f"nodes[{index}].ssh", problem, "nodes without ssh")
    reached = [(index, node.ssh, node.address) for index, node in enumerate(page.nodes) if node.ssh is not None]
    for place, first, target in repeated(f"{ssh.host or address}:{ssh.port}" for _, ssh, address in reached):
        problem = f"{target!r} is also where nodes[{reached[first][0]}] is reached"
        yield Finding(f"nodes[{reached[place][0]}].ssh", problem, "a host of its own")


def keys(page: Page) -> Iterator[Finding]:
    """`machines.privateKey` and `machines.privateKeyFile` are not both there."""
    if (machines := _existing(page)) and machines.private_key and machines.private_key_file:
        yield Finding("machines.privateKey", "is there as well as privateKeyFile", "one of the two, or neither")


def endpoints(page: Page) -> Iterator[Finding]:
    """Several control-plane nodes on existing hosts have `machines.vip`, `machines.endpoint`, or both."""
    machines, count = _existing(page), sum("control-plane" in node.roles for node in page.nodes)
    if machines and count > 1 and not (machines.vip or machines.endpoint):
        problem = f"is missing, {count} nodes have the role control-plane and people need one way to all of them"
        yield Finding("machines.endpoint", problem, "machines.vip, machines.endpoint, or both")


def virtual_address(page: Page) -> Iterator[Finding]:
    """`machines.vip` has an address and a port of its own; `api.port` is for the API servers behind it."""
    machines = _existing(page)
    if machines is None or machines.vip is None:
        return
    address, port = machines.vip.address, machines.vip.port
    for index, node in enumerate(page.nodes):
        if node.address == address:
            yield Finding("machines.vip.address", f"{address!r} is the address of nodes[{index}]", "a free address")
    for key, cidr in (("podCidr", page.network.pod_cidr), ("serviceCidr", page.network.service_cidr)):
        if ipaddress.IPv4Address(address) in ipaddress.IPv4Network(cidr):
            problem = f"{address!r} lies inside network.{key} ({cidr})"
            yield Finding("machines.vip.address", problem, f"an address outside {cidr}")
    used = {**ports.RESERVED, range(page.api.port, page.api.port + 1): "the API server"}
    used[page.network.node_ports] = f"services of type NodePort ({page.network.node_port_range})"
    for taken, user in used.items():
        if port in taken:
            yield Finding("machines.vip.port", f"{port} is a port of {user}", "a port that nothing else uses")


def _existing(page: Page) -> ExistingMachines | None:
    return page.machines if isinstance(page.machines, ExistingMachines) else None
