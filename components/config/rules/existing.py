"""Rules about existing hosts: how SSH reaches them, and where their API is."""

import ipaddress
from collections.abc import Iterator

from components.config import ports
from components.config.errors import Finding
from components.config.existing import ExistingSection
from components.config.generations import SINGLE
from components.config.page import Page
from components.config.rules.common import repeated


def ssh_of_nodes(page: Page) -> Iterator[Finding]:
    """With the provider `existing` each node sets `ssh.hostKey` and an SSH server of its own; else none sets `ssh`."""
    for index, node in enumerate(page.nodes):
        if page.machines.takes_ssh and node.ssh is None:
            problem = f"is missing, the provider {page.machines.provider} trusts only hosts with a known key"
            yield Finding(f"nodes[{index}].ssh.hostKey", problem, "the host's public key; `make host-keys` prints it")
        if not page.machines.takes_ssh and node.ssh is not None:
            problem = f"is set, the provider {page.machines.provider} makes its own SSH connections"
            yield Finding(f"nodes[{index}].ssh", problem, "nodes without ssh")
    reached = [(index, node.ssh, node.address) for index, node in enumerate(page.nodes) if node.ssh is not None]
    for place, first, target in repeated(f"{ssh.host or address}:{ssh.port}" for _, ssh, address in reached):
        problem = f"{target!r} is also the SSH server of nodes[{reached[first][0]}]"
        yield Finding(f"nodes[{reached[place][0]}].ssh", problem, "a host of its own")


def keys(page: Page) -> Iterator[Finding]:
    """`machines.privateKey` and `machines.privateKeyFile` are not both set."""
    if (machines := _existing(page)) and machines.private_key and machines.private_key_file:
        yield Finding("machines.privateKey", "is set as well as privateKeyFile", "one of the two, or neither")


def login_key(page: Page) -> Iterator[Finding]:
    """`pki.generations.ssh` is for keys that the program makes."""
    if _existing(page) and page.pki.generations.ssh != SINGLE:
        problem = "is set, but the provider existing logs in with a key of the operator"
        yield Finding("pki.generations.ssh", problem, "generations without ssh; replace the key on the hosts yourself")


def endpoints(page: Page) -> Iterator[Finding]:
    """Several control-plane nodes on existing hosts have `machines.vip`, `machines.endpoint`, or both."""
    machines, count = _existing(page), sum("control-plane" in node.roles for node in page.nodes)
    if machines and count > 1 and not (machines.vip or machines.endpoint):
        problem = f"is missing, {count} nodes have the role control-plane and people need one address for all of them"
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


def _existing(page: Page) -> ExistingSection | None:
    return page.machines if isinstance(page.machines, ExistingSection) else None
