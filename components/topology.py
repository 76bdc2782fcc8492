"""Computes nodes, roles, addresses and names from the page, before anything runs. Pure."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from components.architecture import AMD64
from components.config.errors import ConfigError, Finding
from components.config.names import is_ipv4
from components.config.nodes import CONTROL_PLANE_KEY, Node
from components.config.page import Page
from components.config.ports import ETCD_CLIENT, NODE_LOCAL_API
from components.config.rules import network

SERVICE_INDEX = 1
"""The API server takes the first address of the service network for the service `kubernetes`."""
DNS_INDEX = 10
"""By convention CoreDNS has the tenth address of the service network."""


@dataclass(frozen=True)
class MachineNetwork:
    """The network of local machines: `subnet` as CIDR, and the host number of each node by name."""

    subnet: str
    hosts: Mapping[str, int]


@dataclass(frozen=True)
class TaintPlan:
    """A taint of a Kubernetes node."""

    key: str
    value: str
    effect: str

    def as_dict(self) -> dict[str, str]:
        """The taint in the form of the Kubernetes API, which has no empty values."""
        return {"key": self.key, **({"value": self.value} if self.value else {}), "effect": self.effect}


@dataclass(frozen=True)
class NodePlan:
    """One node: its name, IPv4 address and roles. `taints` includes the taint that follows from the roles."""

    name: str
    address: str
    roles: tuple[str, ...]
    labels: Mapping[str, str] = field(hash=False)
    taints: tuple[TaintPlan, ...]
    architecture: str = AMD64
    """The architecture of the processor, as release files name it."""

    @property
    def is_etcd(self) -> bool:
        """An etcd member runs here."""
        return "etcd" in self.roles

    @property
    def is_control_plane(self) -> bool:
        """An API server, a controller manager and a scheduler run here."""
        return "control-plane" in self.roles

    @property
    def is_worker(self) -> bool:
        """Workloads run here."""
        return "worker" in self.roles

    @property
    def runs_kubelet(self) -> bool:
        """A kubelet runs here. A node that is only an etcd member is no Kubernetes node."""
        return self.is_control_plane or self.is_worker

    @property
    def is_activated_with_workers(self) -> bool:
        """A kubelet runs here and no API server, so this node changes after all API servers."""
        return self.runs_kubelet and not self.is_control_plane


@dataclass(frozen=True)
class Topology:
    """The planned cluster. Addresses are dotted quads, networks are CIDRs, nodes are in the order of the page."""

    cluster_name: str
    domain: str
    nodes: tuple[NodePlan, ...]
    endpoint_host: str
    endpoint_port: int
    subnet: str | None
    """The network of local machines. None with other providers."""
    pod_cidr: str
    service_cidr: str
    service_address: str
    """Address of the service `kubernetes`."""
    dns_address: str
    """Address of the service of CoreDNS."""
    api_port: int
    extra_sans: tuple[str, ...]
    node_local_port: int = NODE_LOCAL_API
    """Port on 127.0.0.1 of every node that leads to all API servers."""

    @property
    def etcd_nodes(self) -> tuple[NodePlan, ...]:
        """Members of etcd."""
        return tuple(node for node in self.nodes if node.is_etcd)

    @property
    def control_plane_nodes(self) -> tuple[NodePlan, ...]:
        """Nodes with an API server."""
        return tuple(node for node in self.nodes if node.is_control_plane)

    @property
    def kubelet_nodes(self) -> tuple[NodePlan, ...]:
        """Nodes of Kubernetes."""
        return tuple(node for node in self.nodes if node.runs_kubelet)

    @property
    def endpoint_url(self) -> str:
        """Where people reach the API."""
        return f"https://{self.endpoint_host}:{self.endpoint_port}"

    @property
    def node_local_url(self) -> str:
        """Where programs on a node reach the API."""
        return f"https://127.0.0.1:{self.node_local_port}"

    def node(self, name: str) -> NodePlan:
        """The node with this name. Raises KeyError if there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def etcd_client_urls(self) -> tuple[str, ...]:
        """URLs for clients of etcd, one for each member."""
        return tuple(f"https://{node.address}:{ETCD_CLIENT}" for node in self.etcd_nodes)

    def api_sans(self, node: NodePlan) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """DNS names and addresses in the certificate of the API server on `node`."""
        service = ("kubernetes", *(f"kubernetes.default{rest}" for rest in ("", ".svc", f".svc.{self.domain}")))
        own = (node.name, "localhost", "127.0.0.1", self.service_address, node.address)
        return _split(*service, *own, self.endpoint_host, *self.extra_sans)

    def etcd_sans(self, node: NodePlan) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """DNS names and addresses in the server and peer certificates of the etcd member on `node`."""
        return _split(node.name, "localhost", "127.0.0.1", node.address)

    def kubelet_sans(self, node: NodePlan) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """DNS names and addresses in the serving certificate of the kubelet on `node`."""
        return _split(node.name, node.address)

    def summary(self) -> dict[str, dict[str, object]]:
        """The nodes for the stack's outputs: address and roles by name."""
        return {node.name: {"address": node.address, "roles": list(node.roles)} for node in self.nodes}

    def roll_order(self) -> tuple[NodePlan, ...]:
        """The order in which a change reaches the nodes.

        First members of etcd on control-plane nodes or on nodes without a kubelet, then other control-plane nodes, then
        members of etcd that run pods, then plain workers. So no kubelet is ever newer than an API server.
        """
        return self.first_members + self.further_control_plane + self.member_workers + self.plain_workers

    @property
    def first_members(self) -> tuple[NodePlan, ...]:
        """Members of etcd whose machine has an API server or no kubelet."""
        return tuple(node for node in self.etcd_nodes if not node.is_activated_with_workers)

    @property
    def further_control_plane(self) -> tuple[NodePlan, ...]:
        """Control-plane nodes without a member of etcd."""
        return tuple(node for node in self.control_plane_nodes if not node.is_etcd)

    @property
    def member_workers(self) -> tuple[NodePlan, ...]:
        """Members of etcd that run pods, and no API server."""
        return tuple(node for node in self.etcd_nodes if node.is_activated_with_workers)

    @property
    def plain_workers(self) -> tuple[NodePlan, ...]:
        """Nodes that only run pods."""
        return tuple(node for node in self.nodes if node.is_activated_with_workers and not node.is_etcd)


def plan(
    page: Page,
    lab: MachineNetwork | None,
    endpoint: tuple[str, int],
    *,
    addresses: Mapping[str, str] = MappingProxyType({}),
    further_sans: tuple[str, ...] = (),
) -> Topology:
    """The topology of `page`. `lab` is the network of local machines; `endpoint` is host and port of the API.

    `addresses` are addresses that another provider chose, by node name. `further_sans` are names of the API in addition
    to the names on the page.

    Raises ConfigError if an address of the page does not fit the local network, or if a node has no address.
    """
    nodes = tuple(
        NodePlan(node.name, address, node.roles, node.labels, _taints(node), page.architecture_of(node))
        for node, address in zip(page.nodes, _addresses(page, lab, addresses), strict=True)
    )
    services = ipaddress.IPv4Network(page.network.service_cidr)
    return Topology(
        cluster_name=page.cluster.name,
        domain=page.cluster.domain,
        nodes=nodes,
        endpoint_host=endpoint[0],
        endpoint_port=endpoint[1],
        subnet=lab.subnet if lab else None,
        pod_cidr=page.network.pod_cidr,
        service_cidr=page.network.service_cidr,
        service_address=str(services[SERVICE_INDEX]),
        dns_address=str(services[DNS_INDEX]),
        api_port=page.api.port,
        extra_sans=(*further_sans, *page.api.extra_sans),
    )


def _addresses(page: Page, lab: MachineNetwork | None, chosen: Mapping[str, str]) -> list[str]:
    """An address for each node. Raises ConfigError if the page does not fit the local network or a node has none."""
    found: list[Finding] = []
    if lab is not None:
        found += [*network.network_overlaps(page, lab.subnet), *network.machine_subnet(page, lab.subnet)]
    addresses: list[str] = []
    for index, node in enumerate(page.nodes):
        address, problem = node.address or _lab_address(lab, node.name) or chosen.get(node.name), ""
        if address is None:
            problem = "is missing and the machines' network has none for it"
        elif address in addresses:
            problem = f"{address!r} is also the address of nodes[{addresses.index(address)}]"
        if problem:
            found.append(Finding(f"nodes[{index}].address", problem, "an address of its own"))
        addresses.append(address or "")
    if found:
        raise ConfigError(found)
    return addresses


def _lab_address(lab: MachineNetwork | None, name: str) -> str | None:
    if lab is None or name not in lab.hosts:
        return None
    return str(ipaddress.IPv4Network(lab.subnet)[lab.hosts[name]])


def _taints(node: Node) -> tuple[TaintPlan, ...]:
    tainted = "control-plane" in node.roles and "worker" not in node.roles
    own = (TaintPlan(CONTROL_PLANE_KEY, "", "NoSchedule"),) if tainted else ()
    return own + tuple(TaintPlan(taint.key, taint.value, taint.effect) for taint in node.taints)


def _split(*names: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """DNS names and addresses, separated, each once, in the given order."""
    unique = tuple(dict.fromkeys(names))
    addresses = tuple(name for name in unique if is_ipv4(name))
    return tuple(name for name in unique if name not in addresses), addresses
