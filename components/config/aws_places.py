"""Networks, zones and addresses of machines in AWS, computed from the page alone. Pure.

If AWS chose an address when a machine is made, then certificates, peers and firewall rules would be unknown at preview,
and a replaced machine would get another address.
"""

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from components.config.aws import AwsSection
from components.config.nodes import Node

Network = ipaddress.IPv4Network

AWS_FIRST, AWS_LAST = 4, 1
"""AWS reserves the first four addresses and the last address of each subnet."""
_FRONT = 8
"""A new VPC has sixteen parts: eight for machines, then eight for load balancer, NAT gateways and bastion."""


@dataclass(frozen=True)
class Place:
    """Where a machine is: the letter of its zone, and its IPv4 address in that zone's subnet."""

    zone: str
    address: str


def machine_subnets(machines: AwsSection) -> dict[str, str]:
    """The network (CIDR) of the machines by letter of the zone, in the order of the page."""
    if vpc := machines.network.vpc:
        return {subnet.zone: subnet.cidr for subnet in vpc.subnets}
    return dict(zip(machines.network.zones, _parts(machines), strict=False))


def front_subnets(machines: AwsSection) -> dict[str, str]:
    """As `machine_subnets`, for the load balancer, NAT gateways and bastion in a new VPC.

    These choose their addresses themselves, so they need other subnets than the machines.
    """
    return dict(zip(machines.network.zones, _parts(machines)[_FRONT:], strict=False))


def place_nodes(machines: AwsSection, nodes: tuple[Node, ...]) -> dict[str, Place]:
    """The place of each node, by name.

    If a node has an address, then the address decides. Otherwise the name of the node alone decides: cp-1, cp-2 and
    cp-3 are in the first, second and third zone. So a node that is added or removed moves no other node. The result
    leaves out nodes with an address outside of all subnets.
    """
    subnets = machine_subnets(machines)
    found: dict[str, Place] = {}
    for node in nodes:
        if node.address is None:
            found[node.name] = _chosen(node.name, subnets)
        elif zone := _zone_of(node.address, subnets):
            found[node.name] = Place(zone, node.address)
    return found


def _parts(machines: AwsSection) -> list[str]:
    return [str(part) for part in Network(machines.network.cidr).subnets(prefixlen_diff=4)]


def _chosen(name: str, subnets: Mapping[str, str]) -> Place:
    digest = int(hashlib.sha256(name.encode()).hexdigest(), 16)
    number = re.search(r"[0-9]+$", name)
    zones = list(subnets)
    zone = zones[(int(number[0]) - 1 if number else digest) % len(zones)]
    network = Network(subnets[zone])
    usable = network.num_addresses - AWS_FIRST - AWS_LAST
    return Place(zone, str(network[AWS_FIRST + digest % usable]))


def _zone_of(address: str, subnets: Mapping[str, str]) -> str | None:
    inside = (zone for zone, cidr in subnets.items() if ipaddress.IPv4Address(address) in Network(cidr))
    return next(inside, None)
