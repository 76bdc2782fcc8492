"""Which leaf certificates a cluster needs: a pure list, one entry for each, before anything is issued.

The list follows https://kubernetes.io/docs/setup/best-practices/certificates/ with one difference: every
machine gets leaves and keys of its own, so a key never lies on two machines and one can be replaced alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from components.config import Page
from components.topology import NodePlan, Topology

AuthorityName = Literal["kubernetes", "etcd", "front-proxy"]
AUTHORITIES: tuple[AuthorityName, ...] = ("kubernetes", "etcd", "front-proxy")
Profile = Literal["server", "client", "peer", "admin", "deployer"]

ADMIN_USER = "hardway:admin"
"""The user whom the API knows the admin as."""

ADMIN_GROUP = "hardway:cluster-admins"
"""Group of everyday administrators, bound to cluster-admin by RBAC: unlike system:masters it can be revoked."""

DEPLOYER_USER = "hardway:deployer"
"""The user whom the API knows the program as."""

DEPLOYER_GROUP = "hardway:deployers"
"""Group of the program itself, bound to cluster-admin."""

DEPLOYER_BINDING = "hardway-deployers"
"""The ClusterRoleBinding of that group. grant.sh makes it, because the program has no rights before."""

LOOPBACK = (("localhost",), ("127.0.0.1",))
"""Names of servers that listen on loopback only, as DNS names and addresses."""


PROXY_USER = "hardway:proxy:"
"""The beginning of the name in the certificate of an authenticating proxy."""

MAINTENANCE = "hardway:maintenance"
"""User that removes nodes from the cluster: it cordons nodes and evicts their pods (components/addons/bindings.py)."""


def proxy_leaf(name: str) -> str:
    """The leaf of an authenticating proxy. No other leaf has a dot in its name."""
    return f"{name}.people-proxy"


def developer_group(namespace: str) -> str:
    """Group of the developers of one namespace."""
    return f"hardway:developers:{namespace}"


@dataclass(frozen=True)
class LeafSpec:
    """One leaf certificate.

    `name` is unique in the cluster and names its Pulumi resources; `profile` decides lifetime and extended key
    usage (server, client, peer = both, admin = a person, deployer = the program: the last two are clients with a short
    life); `organization` is the group of a client.
    """

    name: str
    authority: AuthorityName
    profile: Profile
    common_name: str
    organization: str | None = None
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()


def plan_leaves(page: Page, topology: Topology) -> tuple[LeafSpec, ...]:
    """Every leaf of the cluster, in an order that does not change from run to run."""
    return (
        *_people(page),
        *(leaf for node in topology.etcd_nodes for leaf in _etcd(topology, node)),
        *(leaf for node in topology.control_plane_nodes for leaf in _control_plane(page, topology, node)),
        *(leaf for node in topology.kubelet_nodes for leaf in _kubelet(topology, node)),
    )


def _people(page: Page) -> Iterator[LeafSpec]:
    yield LeafSpec("deployer", "kubernetes", "deployer", DEPLOYER_USER, DEPLOYER_GROUP)
    yield LeafSpec("admin", "kubernetes", "admin", ADMIN_USER, ADMIN_GROUP)
    for developer in page.access.developers:
        group = developer_group(developer.namespace)
        yield LeafSpec(f"developer-{developer.name}", "kubernetes", "admin", developer.name, group)
    for name in page.access.proxy.names if page.access.proxy else ():
        yield LeafSpec(proxy_leaf(name), "front-proxy", "client", f"{PROXY_USER}{name}")


def _etcd(topology: Topology, node: NodePlan) -> Iterator[LeafSpec]:
    dns_names, ip_addresses = topology.etcd_sans(node)
    yield LeafSpec(f"{node.name}-etcd-server", "etcd", "server", node.name, None, dns_names, ip_addresses)
    yield LeafSpec(f"{node.name}-etcd-peer", "etcd", "peer", node.name, None, dns_names, ip_addresses)


def _control_plane(page: Page, topology: Topology, node: NodePlan) -> Iterator[LeafSpec]:
    dns_names, ip_addresses = topology.api_sans(node)
    yield LeafSpec(f"{node.name}-apiserver", "kubernetes", "server", "kube-apiserver", None, dns_names, ip_addresses)
    yield LeafSpec(f"{node.name}-apiserver-etcd-client", "etcd", "client", "kube-apiserver-etcd-client")
    # Its RBAC rights (system:kubelet-api-admin) come from a binding to this user, not from system:masters.
    yield LeafSpec(f"{node.name}-apiserver-kubelet-client", "kubernetes", "client", "kube-apiserver-kubelet-client")
    yield LeafSpec(f"{node.name}-front-proxy-client", "front-proxy", "client", "front-proxy-client")
    yield LeafSpec(f"{node.name}-maintenance", "kubernetes", "client", MAINTENANCE)
    if page.webhooks:
        # A service knows the API servers by it. Nothing in the cluster has a right because of this name.
        yield LeafSpec(f"{node.name}-apiserver-webhook-client", "kubernetes", "client", "kube-apiserver-webhook-client")
    for component in ("kube-controller-manager", "kube-scheduler"):
        yield LeafSpec(f"{node.name}-{component}", "kubernetes", "client", f"system:{component}")
        yield LeafSpec(f"{node.name}-{component}-server", "kubernetes", "server", component, None, *LOOPBACK)


def _kubelet(topology: Topology, node: NodePlan) -> Iterator[LeafSpec]:
    dns_names, ip_addresses = topology.kubelet_sans(node)
    user = f"system:node:{node.name}"
    yield LeafSpec(f"{node.name}-kubelet-server", "kubernetes", "server", user, "system:nodes", dns_names, ip_addresses)
    # The identity of the node. A kubelet without a valid client certificate requests one with this leaf, and gets a
    # certificate of this name only.
    yield LeafSpec(f"{node.name}-identity", "kubernetes", "client", user, "system:nodes")
    yield LeafSpec(f"{node.name}-kube-proxy", "kubernetes", "client", "system:kube-proxy", "system:node-proxier")
