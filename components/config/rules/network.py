"""Rules about networks and ports together."""

import ipaddress
from collections.abc import Iterator
from itertools import combinations

from components.config import ports
from components.config.errors import Finding
from components.config.page import Page

Network = ipaddress.IPv4Network
# pkg/controller/nodeipam/ipam/cidrset: the node mask may be at most 16 bits longer than the cluster's.
MOST_NODE_BITS = 16
# cmd/kube-apiserver/app/options/validation.go: at most 20 bits of service addresses. The lower limit is ours: 256.
SERVICE_PREFIXES = (12, 24)
HOST, LAB_GATEWAY = 1, 2


def networks(page: Page) -> Iterator[Finding]:
    """Pods, services and machines have networks of their own."""
    yield from network_overlaps(page, page.machines.known_subnet)


def network_overlaps(page: Page, machines: str | None) -> Iterator[Finding]:
    """As `networks`, for the network `machines` (CIDR), which a page need not know."""
    named = [("network.podCidr", page.network.pod_cidr), ("network.serviceCidr", page.network.service_cidr)]
    if machines is not None:
        named.append(("machines.subnet", machines))
    for (first, one), (second, other) in combinations(named, 2):
        if Network(one).overlaps(Network(other)):
            yield Finding(second, f"{other!r} overlaps {first} ({one})", f"a network outside {one}")


def pod_network(page: Page) -> Iterator[Finding]:
    """Every Kubernetes node gets its part of the pod network."""
    prefix, mask = Network(page.network.pod_cidr).prefixlen, page.network.node_cidr_mask_size
    count = sum(node.runs_kubelet for node in page.nodes)
    path = "network.nodeCidrMaskSize"
    if mask < prefix:
        yield Finding(path, f"{mask} is larger than the whole of podCidr ({page.network.pod_cidr})", f"{prefix} to 28")
    elif mask - prefix > MOST_NODE_BITS:
        problem = f"{mask} cuts podCidr ({page.network.pod_cidr}) into more parts than the controller manager accepts"
        yield Finding(path, problem, f"{prefix} to {prefix + MOST_NODE_BITS}")
    elif 2 ** (mask - prefix) < count:
        problem = f"{page.network.pod_cidr!r} has {2 ** (mask - prefix)} parts of /{mask} for {count} nodes"
        yield Finding("network.podCidr", problem, f"a network of at least /{mask - (count - 1).bit_length()}")


def service_network(page: Page) -> Iterator[Finding]:
    """The service network has a size that the API server accepts and a tenth address."""
    shortest, longest = SERVICE_PREFIXES
    prefix, cidr = Network(page.network.service_cidr).prefixlen, page.network.service_cidr
    if prefix < shortest:
        problem = f"{cidr!r} is larger than the 20 bits which the API server accepts"
        yield Finding("network.serviceCidr", problem, f"/{shortest} to /{longest}")
    elif prefix > longest:
        yield Finding("network.serviceCidr", f"{cidr!r} is too small", f"/{shortest} to /{longest}")


def used_ports(page: Page) -> Iterator[Finding]:
    """No two things on a node share a port."""
    for taken, user in ports.RESERVED.items():
        if page.api.port in taken:
            yield Finding(
                "api.port", f"{page.api.port} is a port of {user}", "a port that nothing else uses, such as 6443"
            )
    used = dict(ports.RESERVED) | {range(page.api.port, page.api.port + 1): "the API server"}
    if page.network.flannel.backend == "vxlan":
        used[range(page.network.flannel.port, page.network.flannel.port + 1)] = "flannel"
    wanted = page.network.node_ports
    for taken, user in sorted(used.items(), key=lambda item: item[0].start):
        inside = [port for port in taken if port in wanted]
        if inside:
            what = f"{inside[0]}" if len(inside) == 1 else f"{inside[0]} to {inside[-1]}"
            problem = f"{page.network.node_port_range!r} contains {what} ({user})"
            yield Finding(
                "network.nodePortRange", problem, "a range without the ports of the cluster, such as 30000-32767"
            )


def local_addresses(page: Page) -> Iterator[Finding]:
    """Addresses of local machines lie in their subnet, as far as the page names it."""
    if page.machines.known_subnet is not None:
        yield from machine_subnet(page, page.machines.known_subnet)


def machine_subnet(page: Page, subnet: str) -> Iterator[Finding]:
    """Every machine fits into `subnet` (CIDR) and no given address is taken by the host, the gateway or the network."""
    network = Network(subnet)
    # Network, host, gateway and broadcast are not for nodes.
    room = network.num_addresses - 4
    if room < len(page.nodes):
        problem = f"{subnet!r} has room for {max(room, 0)} of {len(page.nodes)} nodes"
        yield Finding("machines.subnet", problem, "a network with four addresses more than nodes")
        return
    taken = {
        network.network_address: "the network itself",
        network.network_address + HOST: "this host",
        network.network_address + LAB_GATEWAY: "the machine in front of a local cluster",
        network.broadcast_address: "the broadcast address",
    }
    allowed = f"{network.network_address + LAB_GATEWAY + 1} to {network.broadcast_address - 1}"
    for index, node in enumerate(page.nodes):
        if node.address is None:
            continue
        address = ipaddress.IPv4Address(node.address)
        if address not in network:
            problem = f"{node.address!r} lies outside the machines' subnet ({subnet})"
            yield Finding(f"nodes[{index}].address", problem, allowed)
        elif address in taken:
            yield Finding(f"nodes[{index}].address", f"{node.address!r} is {taken[address]}", allowed)
