"""Rules over the whole page. Each is a small pure function that returns what it finds; `check` runs all of them."""

from collections.abc import Callable, Iterator

from components.config.errors import Finding
from components.config.page import Page
from components.config.rules import (
    access,
    arguments,
    authorities,
    aws,
    backup,
    existing,
    fields,
    network,
    nodes,
    people,
    settings,
    signing,
)
from components.network_plugins.flannel import rules as flannel

RULES: tuple[Callable[[Page], Iterator[Finding]], ...] = (
    nodes.etcd_members,
    nodes.roles,
    nodes.node_names,
    nodes.node_addresses,
    network.local_addresses,
    nodes.labels_and_taints,
    existing.ssh_of_nodes,
    existing.keys,
    existing.login_key,
    existing.endpoints,
    existing.virtual_address,
    aws.aws_networks,
    aws.aws_zones,
    aws.aws_addresses,
    flannel.host_gateways_in_aws,
    aws.aws_ingress,
    aws.aws_egress,
    aws.aws_data,
    network.networks,
    network.pod_network,
    network.pods_per_node,
    network.service_network,
    network.used_ports,
    network.upstreams,
    settings.kubelet_version,
    settings.lifetimes,
    settings.generations,
    authorities.given,
    authorities.shared_keys,
    authorities.successors,
    signing.signers,
    settings.etcd_times,
    settings.etcd_directories,
    settings.etcd_data_stays,
    settings.etcd_compaction,
    backup.bucket,
    backup.role,
    backup.credentials,
    backup.certificates_of_server,
    backup.kept,
    backup.folder,
    backup.restore,
    settings.extra_sans,
    people.namespaces,
    people.quotas,
    people.container_limits,
    settings.developers,
    access.issuers,
    access.issuer_settings,
    access.issuer_names,
    people.roles,
    people.groups,
    people.users,
    people.grants,
    settings.managed,
    arguments.known_flags,
    arguments.flag_values,
    arguments.flag_contradictions,
    fields.known_fields,
    fields.field_values,
    fields.field_contradictions,
    settings.mirror,
    settings.proxy,
)


def check(page: Page) -> list[Finding]:
    """All findings, in the order of the page."""
    found: list[Finding] = []
    for rule in RULES:
        found.extend(rule(page))
    return found
