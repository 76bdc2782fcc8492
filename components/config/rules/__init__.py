"""Rules over the whole page. Each is a small pure function that returns what it finds; `check` runs all of them."""

from collections.abc import Callable, Iterator

from components.config.errors import Finding
from components.config.page import Page
from components.config.rules import aws, existing, network, nodes, settings

RULES: tuple[Callable[[Page], Iterator[Finding]], ...] = (
    nodes.etcd_members,
    nodes.roles,
    nodes.node_names,
    nodes.node_addresses,
    network.local_addresses,
    nodes.node_marks,
    existing.ssh_of_nodes,
    existing.keys,
    existing.endpoints,
    existing.virtual_address,
    aws.aws_networks,
    aws.aws_zones,
    aws.aws_addresses,
    aws.aws_pod_network,
    aws.aws_ways_in,
    aws.aws_ways_out,
    aws.aws_data,
    network.networks,
    network.pod_network,
    network.service_network,
    network.used_ports,
    settings.kubelet_version,
    settings.lifetimes,
    settings.etcd_times,
    settings.etcd_directories,
    settings.etcd_compaction,
    settings.extra_sans,
    settings.developers,
    settings.managed,
    settings.mirror,
)


def check(page: Page) -> list[Finding]:
    """All findings, in the order of the page."""
    found: list[Finding] = []
    for rule in RULES:
        found.extend(rule(page))
    return found
