"""Rules about machines in AWS: networks and addresses, what survives a zone's failure, which clients may connect."""

import ipaddress
from collections import Counter
from collections.abc import Iterator

from components.config.aws import DATA_DIRECTORY, AwsSection, architecture_of_type
from components.config.aws_places import AWS_FIRST, machine_subnets, place_nodes
from components.config.errors import Finding
from components.config.page import Page
from components.config.rules.common import repeated

Network = ipaddress.IPv4Network
# AWS allows a VPC from /16 to /28; a sixteenth of a /20 still has room for 250 machines.
VPC_PREFIXES = (16, 20)
SUBNET_PREFIXES = (16, 28)


def aws_networks(page: Page) -> Iterator[Finding]:
    """In AWS a new VPC is from /16 to /20 in size, a subnet from /16 to /28; none overlaps pods or services."""
    if (machines := _aws(page)) is None:
        return
    for path, cidr in _named(machines):
        shortest, longest = SUBNET_PREFIXES if machines.network.vpc else VPC_PREFIXES
        if not shortest <= Network(cidr).prefixlen <= longest:
            size = "large" if Network(cidr).prefixlen < shortest else "small"
            yield Finding(path, f"{cidr!r} is too {size}", f"/{shortest} to /{longest}")
        for key, other in (("podCidr", page.network.pod_cidr), ("serviceCidr", page.network.service_cidr)):
            if Network(cidr).overlaps(Network(other)):
                yield Finding(path, f"{cidr!r} overlaps network.{key} ({other})", f"a network outside {other}")


def aws_zones(page: Page) -> Iterator[Finding]:
    """In AWS each zone is listed once; with three or more zones, no zone has the majority of the etcd members."""
    if (machines := _aws(page)) is None:
        return
    vpc = machines.network.vpc
    for index, _, zone in repeated(machines.zones):
        path = f"machines.network.vpc.subnets[{index}].zone" if vpc else f"machines.network.zones[{index}]"
        yield Finding(path, f"{zone!r} is listed twice", "each zone once")
    places = place_nodes(machines, page.nodes)
    members = [places[node.name].zone for node in page.nodes if "etcd" in node.roles and node.name in places]
    for zone, count in Counter(members).items():
        if len(set(machines.zones)) >= 3 and len(members) >= 3 and count * 2 > len(members):
            problem = (
                f"{count} of {len(members)} members of etcd are in zone {zone}, and etcd stops when the zone fails"
            )
            yield Finding("nodes", problem, "names that end in -1, -2, -3, or addresses in several zones' subnets")


def aws_addresses(page: Page) -> Iterator[Finding]:
    """An address of a node in AWS lies in a subnet for machines, and is not reserved by AWS."""
    if (machines := _aws(page)) is None:
        return
    subnets = [Network(cidr) for cidr in machine_subnets(machines).values()]
    allowed = f"an address in {', '.join(map(str, subnets))}"
    for index, node in enumerate(page.nodes):
        if node.address is None:
            continue
        address = ipaddress.IPv4Address(node.address)
        inside = next((subnet for subnet in subnets if address in subnet), None)
        if inside is None:
            yield Finding(f"nodes[{index}].address", f"{node.address!r} lies in no subnet for machines", allowed)
        elif address - AWS_FIRST < inside.network_address or address == inside.broadcast_address:
            problem = f"{node.address!r} is reserved by AWS"
            yield Finding(f"nodes[{index}].address", problem, f"{inside[AWS_FIRST]} to {inside[-2]}")


def aws_architectures(page: Page) -> Iterator[Finding]:
    """In AWS each instance type has the architecture that stands beside the type."""
    if (machines := _aws(page)) is None:
        return
    examples = {"amd64": "m6i.large", "arm64": "m7g.large"}
    for path, kind in machines.kinds():
        real = architecture_of_type(kind.type)
        if real != kind.architecture:
            problem = f"{kind.type!r} is an instance type for {real}, and {path}.architecture is {kind.architecture}"
            allowed = f"an instance type such as {examples[kind.architecture]}, or the architecture {real}"
            yield Finding(f"{path}.type", problem, allowed)


def aws_ingress(page: Page) -> Iterator[Finding]:
    """In AWS a public load balancer has clients. In an existing VPC, it and the bastion need public subnets."""
    if (machines := _aws(page)) is None:
        return
    vpc, endpoint = machines.network.vpc, machines.endpoint
    if endpoint.public and not endpoint.clients:
        problem = "is empty, and the load balancer is public"
        yield Finding("machines.endpoint.clients", problem, "at least one network such as 203.0.113.0/24")
    users = [name for name, used in (("a bastion", machines.bastion), ("a public endpoint", endpoint.public)) if used]
    if vpc and users and not vpc.public_subnets:
        problem = f"is empty, and the page requests {' and '.join(users)}"
        yield Finding("machines.network.vpc.publicSubnets", problem, "at least one public subnet")


def aws_egress(page: Page) -> Iterator[Finding]:
    """In AWS machines that fetch from upstream reach the internet, or a proxy."""
    machines = _aws(page)
    upstream = page.artifacts.mirror is None and page.artifacts.proxy is None
    if machines and not machines.network.vpc and machines.network.nat == "none" and upstream:
        problem = "'none' gives no access to the internet, and the page names neither a mirror nor a proxy"
        yield Finding("machines.network.nat", problem, "one, perZone")


def aws_data(page: Page) -> Iterator[Finding]:
    """In AWS `etcd.dataDir` and `etcd.walDir` lie on the data volume, which is mounted at /var/lib/etcd."""
    if _aws(page) is None:
        return
    for key, path in (("dataDir", page.etcd.data_dir), ("walDir", page.etcd.wal_dir)):
        if path is not None and path != DATA_DIRECTORY and not path.startswith(f"{DATA_DIRECTORY}/"):
            problem = f"{path!r} is not on the data volume"
            yield Finding(f"etcd.{key}", problem, f"a directory below {DATA_DIRECTORY}, such as {DATA_DIRECTORY}/data")


def _aws(page: Page) -> AwsSection | None:
    return page.machines if isinstance(page.machines, AwsSection) else None


def _named(machines: AwsSection) -> list[tuple[str, str]]:
    """Paths on the page, with the networks there."""
    vpc = machines.network.vpc
    if vpc is None:
        return [("machines.network.cidr", machines.network.cidr)]
    return [(f"machines.network.vpc.subnets[{index}].cidr", subnet.cidr) for index, subnet in enumerate(vpc.subnets)]
