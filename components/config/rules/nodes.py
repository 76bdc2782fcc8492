"""Rules about nodes together: roles, names, addresses, marks."""

import ipaddress
from collections.abc import Iterator

from components.config.errors import Finding
from components.config.page import Page
from components.config.rules.common import repeated

# etcd's FAQ: an odd number, and no more than seven.
MEMBER_COUNTS = (1, 3, 5, 7)
LAB_GATEWAY_NAME = "gateway"
RESERVED_NAMES = ("kubernetes", "localhost")


def etcd_members(page: Page) -> Iterator[Finding]:
    """An odd number of members: an even one tolerates no more failures and needs a larger majority (etcd FAQ)."""
    count = sum("etcd" in node.roles for node in page.nodes)
    allowed = ", ".join(map(str, MEMBER_COUNTS)) + " nodes with the role etcd"
    if count == 0:
        yield Finding("nodes", "no node has the role etcd", allowed)
    elif count % 2 == 0:
        why = f"an even number tolerates no more failures than {count - 1} and loses its majority sooner"
        yield Finding("nodes", f"{count} nodes have the role etcd, {why}", allowed)
    elif count not in MEMBER_COUNTS:
        yield Finding("nodes", f"{count} nodes have the role etcd, every write waits for a majority of them", allowed)


def roles(page: Page) -> Iterator[Finding]:
    """Every role that a cluster needs is there, and no node has one twice."""
    if not any("control-plane" in node.roles for node in page.nodes):
        yield Finding("nodes", "no node has the role control-plane", "at least 1 node with the role control-plane")
    if not any("worker" in node.roles for node in page.nodes):
        why = "no node runs workloads: a control-plane node without the role worker is tainted"
        yield Finding("nodes", why, "at least 1 node with the role worker, which may be a control-plane node too")
    for index, node in enumerate(page.nodes):
        for role in repeated(node.roles):
            yield Finding(f"nodes[{index}].roles", f"{role!r} is there twice", "each role once")


def node_names(page: Page) -> Iterator[Finding]:
    """Names are unique and none is taken by something else."""
    first: dict[str, int] = {}
    for index, node in enumerate(page.nodes):
        path = f"nodes[{index}].name"
        if node.name in first:
            yield Finding(path, f"{node.name!r} is also the name of nodes[{first[node.name]}]", "a name of its own")
        elif page.machines.provider == "local" and node.name == LAB_GATEWAY_NAME:
            yield Finding(path, f"{node.name!r} is the machine in front of a local cluster", "any other name")
        elif node.name in RESERVED_NAMES:
            yield Finding(path, f"{node.name!r} means something else in certificates", "any other name")
        first.setdefault(node.name, index)


def node_addresses(page: Page) -> Iterator[Finding]:
    """Addresses are there where the provider does not choose them, unique, and not of pods or services."""
    first: dict[str, int] = {}
    for index, node in enumerate(page.nodes):
        path = f"nodes[{index}].address"
        if node.address is None:
            if not page.machines.chooses_addresses:
                why = f"is missing, the provider {page.machines.provider} does not choose addresses"
                yield Finding(path, why, "an IPv4 address such as 192.168.10.11")
            continue
        if node.address in first:
            yield Finding(
                path, f"{node.address!r} is also the address of nodes[{first[node.address]}]", "one of its own"
            )
        first.setdefault(node.address, index)
        for key, cidr in (("podCidr", page.network.pod_cidr), ("serviceCidr", page.network.service_cidr)):
            if ipaddress.IPv4Address(node.address) in ipaddress.IPv4Network(cidr):
                problem = f"{node.address!r} lies inside network.{key} ({cidr})"
                yield Finding(path, problem, f"an address outside {cidr}")


def node_marks(page: Page) -> Iterator[Finding]:
    """Labels and taints need a Kubernetes node; a taint is a key and an effect, once."""
    for index, node in enumerate(page.nodes):
        for key, marks in (("labels", node.labels), ("taints", node.taints)):
            if marks and not node.runs_kubelet:
                yield Finding(
                    f"nodes[{index}].{key}",
                    f"node {node.name!r} runs no kubelet and so is no Kubernetes node",
                    f"{key} on nodes with the role control-plane or worker",
                )
        for taint in repeated(f"{taint.key}:{taint.effect}" for taint in node.taints):
            yield Finding(f"nodes[{index}].taints", f"{taint!r} is there twice", "each key and effect once")
