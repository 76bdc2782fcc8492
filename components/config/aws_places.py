"""Networks, zones and addresses of machines in AWS, all of them from the page alone. Pure.

AWS would choose an address when a machine is made. Then certificates, peers and firewall rules were unknown at preview,
and a machine that is made anew would have another one.
"""

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from components.config.aws import AwsMachines
from components.config.nodes import Node

Network = ipaddress.IPv4Network

AWS_FIRST, AWS_LAST = 4, 1
"""Of each subnet AWS keeps the first four addresses and the last one for itself."""
_FRONT = 8
"""Of the sixteen parts of a new VPC the first eight are for machines, the others for what stands before them."""


@dataclass(frozen=True)
class Place:
    """Where a machine is: the letter of its zone, and its IPv4 address in that zone's subnet."""

    zone: str
    address: str


def machine_subnets(machines: AwsMachines) -> dict[str, str]:
    """The network (CIDR) of the machines by letter of the zone, in the order of the page."""
    if vpc := machines.network.vpc:
        return {subnet.zone: subnet.cidr for subnet in vpc.subnets}
    return dict(zip(machines.network.zones, _parts(machines), strict=False))


def front_subnets(machines: AwsMachines) -> dict[str, str]:
    """As `machine_subnets`, of a new VPC, for load balancer, NAT gateways and bastion.

    They choose their addresses themselves, so they must not do that where machines have theirs.
    """
    return dict(zip(machines.network.zones, _parts(machines)[_FRONT:], strict=False))


def place_nodes(machines: AwsMachines, nodes: tuple[Node, ...]) -> dict[str, Place]:
    """The place of each node by its name.

    A node with an address is where that address is. For another one its own name decides and nothing else: cp-1, cp-2
    and cp-3 are in the first, second and third zone. So no node that comes or goes moves another. Nodes with an
    address outside of all subnets are left out.
    """
    subnets = machine_subnets(machines)
    found: dict[str, Place] = {}
    for node in nodes:
        if node.address is None:
            found[node.name] = _chosen(node.name, subnets)
        elif zone := _zone_of(node.address, subnets):
            found[node.name] = Place(zone, node.address)
    return found


def _parts(machines: AwsMachines) -> list[str]:
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
