"""Rules about nodes together: roles, names, addresses, labels and taints."""

import ipaddress
from collections.abc import Iterator

from components.config.errors import Finding
from components.config.page import Page
from components.config.rules.common import repeated
from components.resource_names import GATEWAY

# etcd's FAQ: an odd number, and no more than seven.
MEMBER_COUNTS = (1, 3, 5, 7)
RESERVED_NAMES = ("kubernetes", "localhost")


def etcd_members(page: Page) -> Iterator[Finding]:
    """An odd number of nodes has the role etcd: an even one tolerates no more failures than the odd one below it."""
    count = sum("etcd" in node.roles for node in page.nodes)
    allowed = "1, 3, 5 or 7 nodes with the role etcd"
    if count == 0:
        yield Finding("nodes", "no node has the role etcd", allowed)
    elif count % 2 == 0:
        why = f"an even number tolerates no more failures than {count - 1} and loses its majority sooner"
        yield Finding("nodes", f"{count} nodes have the role etcd, {why}", allowed)
    elif count not in MEMBER_COUNTS:
        yield Finding("nodes", f"{count} nodes have the role etcd, every write waits for a majority of them", allowed)


def roles(page: Page) -> Iterator[Finding]:
    """At least one node is control-plane and at least one is worker; no node has a role twice."""
    if not any("control-plane" in node.roles for node in page.nodes):
        yield Finding("nodes", "no node has the role control-plane", "at least 1 node with the role control-plane")
    if not any("worker" in node.roles for node in page.nodes):
        why = "no node runs workloads: a control-plane node without the role worker is tainted"
        yield Finding("nodes", why, "at least 1 node with the role worker, which may be a control-plane node too")
    for number, node in enumerate(page.nodes):
        for index, _, role in repeated(node.roles):
            yield Finding(f"nodes[{number}].roles[{index}]", f"{role!r} is listed twice", "each role once")


def node_names(page: Page) -> Iterator[Finding]:
    """Node names are unique; `kubernetes` and `localhost` are reserved, and on local machines `gateway` too."""
    for index, first, name in repeated(node.name for node in page.nodes):
        yield Finding(f"nodes[{index}].name", f"{name!r} is also the name of nodes[{first}]", "a name of its own")
    for index, node in enumerate(page.nodes):
        if page.machines.provider == "local" and node.name == GATEWAY:
            problem = f"{node.name!r} is the gateway of the local stack"
            yield Finding(f"nodes[{index}].name", problem, "any other name")
        if node.name in RESERVED_NAMES:
            problem = f"{node.name!r} means something else in certificates"
            yield Finding(f"nodes[{index}].name", problem, "any other name")


def node_addresses(page: Page) -> Iterator[Finding]:
    """Every node has an address of its own outside of pods and services; on existing hosts the page sets it."""
    given = [(index, node.address) for index, node in enumerate(page.nodes) if node.address is not None]
    if not page.machines.chooses_addresses:
        for index in sorted(set(range(len(page.nodes))) - {index for index, _ in given}):
            problem = f"is missing, the provider {page.machines.provider} does not choose addresses"
            yield Finding(f"nodes[{index}].address", problem, "an IPv4 address such as 192.168.10.11")
    for place, first, address in repeated(address for _, address in given):
        problem = f"{address!r} is also the address of nodes[{given[first][0]}]"
        yield Finding(f"nodes[{given[place][0]}].address", problem, "an address of its own")
    for index, address in given:
        for key, cidr in (("podCidr", page.network.pod_cidr), ("serviceCidr", page.network.service_cidr)):
            if ipaddress.IPv4Address(address) in ipaddress.IPv4Network(cidr):
                problem = f"{address!r} lies inside network.{key} ({cidr})"
                yield Finding(f"nodes[{index}].address", problem, f"an address outside {cidr}")


def architectures(page: Page) -> Iterator[Finding]:
    """Only existing hosts have `nodes[].architecture`. In AWS the groups have the key; local machines need none."""
    for index, node in enumerate(page.nodes):
        if node.architecture is None or page.machines.architecture_of(node.roles) is None:
            continue
        key = page.machines.architecture_key(node.roles)
        problem = f"is set, the machine of {node.name} has the architecture of {key or 'this host'}"
        yield Finding(f"nodes[{index}].architecture", problem, key or "nodes without architecture")


def labels_and_taints(page: Page) -> Iterator[Finding]:
    """Labels and taints need a Kubernetes node, not one that is only `etcd`. A taint's key and effect come once."""
    for number, node in enumerate(page.nodes):
        for key, given in (("labels", node.labels), ("taints", node.taints)):
            if given and not node.runs_kubelet:
                yield Finding(
                    f"nodes[{number}].{key}",
                    f"node {node.name!r} runs no kubelet and so is no Kubernetes node",
                    f"{key} on nodes with the role control-plane or worker",
                )
        for index, _, taint in repeated(f"{taint.key}:{taint.effect}" for taint in node.taints):
            yield Finding(f"nodes[{number}].taints[{index}]", f"{taint!r} is listed twice", "each key and effect once")
