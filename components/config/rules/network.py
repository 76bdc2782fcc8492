"""Rules about networks and ports together."""

import ipaddress
from collections.abc import Iterator
from itertools import combinations

from components.config import ports
from components.config.errors import Finding
from components.config.page import Page

Network = ipaddress.IPv4Network
# Older API servers refuse more than 20 bits of service addresses ("the mask must be >= 12"). Newer API servers accept
# them, but a million services make no sense. 256 addresses are hardway's own lower limit.
SERVICE_PREFIXES = (12, 24)
# A local network gives its machines host numbers up to 250.
SUBNET_PREFIXES = (16, 24)
HOST, GATEWAY = 1, 2
RESERVED_IN_POD_NETWORK = 3
"""Addresses of a node's part of the pod network that no pod gets: the network, its bridge, the broadcast address."""
DEFAULT_MAX_PODS = 110
"""`maxPods` of the kubelet if the page does not set it (k8s.io/kubernetes/pkg/kubelet/apis/config/v1beta1)."""


def networks(page: Page) -> Iterator[Finding]:
    """`podCidr`, `serviceCidr` and the network of the machines do not overlap."""
    yield from network_overlaps(page, page.machines.known_subnet)


def network_overlaps(page: Page, machines: str | None) -> Iterator[Finding]:
    """As `networks`, for the network `machines` (CIDR), which the page need not set."""
    named = [("network.podCidr", page.network.pod_cidr), ("network.serviceCidr", page.network.service_cidr)]
    if machines is not None:
        named.append(("machines.subnet", machines))
    for (first, one), (second, other) in combinations(named, 2):
        if Network(one).overlaps(Network(other)):
            yield Finding(second, f"{other!r} overlaps {first} ({one})", f"a network outside {one}")


def pod_network(page: Page) -> Iterator[Finding]:
    """`podCidr` has a part of `nodeCidrMaskSize` for every Kubernetes node."""
    cidr, mask = page.network.pod_cidr, page.network.node_cidr_mask_size
    prefix = Network(cidr).prefixlen
    count = sum(node.runs_kubelet for node in page.nodes)
    if mask < prefix:
        problem = f"{mask} makes one node's part larger than the whole of podCidr ({cidr})"
        yield Finding("network.nodeCidrMaskSize", problem, f"{prefix} to 28")
    elif 2 ** (mask - prefix) < count:
        problem = f"{cidr!r} has {2 ** (mask - prefix)} parts of /{mask} for {count} nodes"
        least = mask - (count - 1).bit_length()
        yield Finding("network.podCidr", problem, f"a network of /{least} or larger, or a longer nodeCidrMaskSize")


def pods_per_node(page: Page) -> Iterator[Finding]:
    """A node's part of `podCidr` has an address for each of its pods, and one for the bridge of the node."""
    mask = page.network.node_cidr_mask_size
    room = 2 ** (32 - mask) - RESERVED_IN_POD_NETWORK
    # A kubelet takes 0 for its default.
    given = page.extra_config.kubelet.get("maxPods") or None
    if isinstance(given, int) and given > room:
        problem = f"{given} pods do not fit into a part of podCidr of /{mask} (network.nodeCidrMaskSize)"
        yield Finding("extraConfig.kubelet.maxPods", problem, f"at most {room}, or a shorter nodeCidrMaskSize")
    elif given is None and room < DEFAULT_MAX_PODS:
        problem = f"{mask} leaves {room} addresses for the {DEFAULT_MAX_PODS} pods that a kubelet allows"
        allowed = f"at most 25, or extraConfig.kubelet.maxPods of at most {room}"
        yield Finding("network.nodeCidrMaskSize", problem, allowed)


def upstreams(page: Page) -> Iterator[Finding]:
    """CoreDNS does not forward to an address of the cluster's own: it would ask itself, and end."""
    for index, upstream in enumerate(page.dns.upstreams):
        if upstream.startswith("/"):
            continue
        address = ipaddress.IPv4Address(upstream.partition(":")[0])
        for what, cidr in (("network.serviceCidr", page.network.service_cidr), ("", "127.0.0.0/8")):
            if address in Network(cidr):
                where = f"{what} ({cidr})" if what else f"{cidr}, where CoreDNS itself listens in its pod"
                allowed = "a name server outside of the cluster, or a file such as /etc/resolv.conf"
                yield Finding(f"dns.upstreams[{index}]", f"{upstream!r} is in {where}: a loop", allowed)


def service_network(page: Page) -> Iterator[Finding]:
    """`serviceCidr` is from /12 to /24 in size."""
    cidr = page.network.service_cidr
    shortest, longest = SERVICE_PREFIXES
    if not shortest <= Network(cidr).prefixlen <= longest:
        size = "large" if Network(cidr).prefixlen < shortest else "small"
        yield Finding("network.serviceCidr", f"{cidr!r} is too {size}", f"/{shortest} to /{longest}")


def used_ports(page: Page) -> Iterator[Finding]:
    """`api.port` and `nodePortRange` avoid the ports that the cluster itself uses on a node."""
    for taken, user in ports.RESERVED.items():
        if page.api.port in taken:
            yield Finding(
                "api.port", f"{page.api.port} is a port of {user}", "a port that nothing else uses, such as 6443"
            )
    used = dict(ports.RESERVED) | {range(page.api.port, page.api.port + 1): "the API server"}
    plugin = page.network.plugin
    used |= {range(port.number, port.number + 1): plugin.title for port in plugin.ports}
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
    """`machines.subnet` is from /16 to /24 in size and has all addresses; its first two belong to host and gateway."""
    if page.machines.known_subnet is not None:
        yield from machine_subnet(page, page.machines.known_subnet)


def machine_subnet(page: Page, subnet: str) -> Iterator[Finding]:
    """Every machine fits into `subnet` (CIDR) and no given address is taken by the host, the gateway or the network."""
    network = Network(subnet)
    shortest, longest = SUBNET_PREFIXES
    if not shortest <= network.prefixlen <= longest:
        size = "large" if network.prefixlen < shortest else "small"
        yield Finding("machines.subnet", f"{subnet!r} is too {size}", f"/{shortest} to /{longest}")
        return
    taken = {
        network.network_address: "the network itself",
        network.network_address + HOST: "this host",
        network.network_address + GATEWAY: "the gateway of the local stack",
        network.broadcast_address: "the broadcast address",
    }
    allowed = f"{network.network_address + GATEWAY + 1} to {network.broadcast_address - 1}"
    for index, node in enumerate(page.nodes):
        if node.address is None:
            continue
        address = ipaddress.IPv4Address(node.address)
        if address not in network:
            problem = f"{node.address!r} lies outside the machines' subnet ({subnet})"
            yield Finding(f"nodes[{index}].address", problem, allowed)
        elif address in taken:
            yield Finding(f"nodes[{index}].address", f"{node.address!r} is {taken[address]}", allowed)
