"""Which connections are allowed: the table of all security groups. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from components.config import Page
from components.config.aws import AwsSection
from components.config.network import Network
from components.config.ports import ETCD_CLIENT, ETCD_HTTP, ETCD_PEER, KUBELET, SSH
from components.topology import NodePlan

# Groups. Each machine is in MACHINE, and in one group for each component that runs on it.
BALANCER, BASTION, MACHINE, ETCD, CONTROL_PLANE, NODE = (
    *("balancer", "bastion", "machine"),
    *("etcd", "control-plane", "node"),
)
ALL = "-1"
"""Every protocol, in the notation of AWS."""
SCTP = "132"
"""The number of the protocol, which has no name in AWS. AWS allows all its ports, whatever a rule says."""


@dataclass(frozen=True)
class Rule:
    """Allows connections to the group `group`, or with `outgoing` from that group.

    `other` is the group or the network (CIDR) at the other end. Ports are inclusive; they have no meaning if `protocol`
    is ALL or SCTP. If `protocol` is `icmp`, then they are type and code, and -1 is every one.
    """

    group: str
    what: str
    other: str
    protocol: str = ALL
    first: int = -1
    last: int = -1
    outgoing: bool = False

    @property
    def from_network(self) -> bool:
        """Whether `other` is a network."""
        return "/" in self.other

    @property
    def name(self) -> str:
        """The name of the resource."""
        return f"{self.group}-{self.what}-{'to' if self.outgoing else 'from'}-{self.other.replace('/', '-')}"


def groups(machines: AwsSection) -> dict[str, str]:
    """Security groups and their descriptions."""
    found = {
        BALANCER: "Load balancer of the API",
        MACHINE: "Every machine",
        ETCD: "Members of etcd",
        CONTROL_PLANE: "API servers",
        NODE: "Nodes of Kubernetes",
    }
    return found | ({BASTION: "Bastion"} if machines.bastion else {})


def groups_of(node: NodePlan) -> list[str]:
    """The groups of a node's machine."""
    member = {ETCD: node.is_etcd, CONTROL_PLANE: node.is_control_plane, NODE: node.runs_kubelet}
    return [MACHINE, *(group for group, is_in in member.items() if is_in)]


def rules(page: Page, machines: AwsSection) -> tuple[Rule, ...]:
    """All rules. A connection that no rule allows is refused."""
    api = page.api.port

    def tcp(group: str, what: str, other: str, port: int, *, outgoing: bool = False) -> Rule:
        return Rule(group, what, other, "tcp", port, port, outgoing)

    return (
        *(tcp(BALANCER, "api", client, api) for client in machines.endpoint.clients),
        # At a public load balancer, machines would arrive with the address of their NAT gateway.
        *(() if machines.endpoint.public else (tcp(BALANCER, "api", MACHINE, api),)),
        tcp(BALANCER, "api", CONTROL_PLANE, api, outgoing=True),
        *_ssh(machines),
        # Without this rule a connection over a path with a smaller MTU hangs instead of sending smaller packets.
        Rule(MACHINE, "path-mtu", MACHINE, "icmp", 3, 4),
        Rule(MACHINE, "everything", "0.0.0.0/0", outgoing=True),
        tcp(ETCD, "clients", CONTROL_PLANE, ETCD_CLIENT),
        # The etcd proxies of API servers check whether members are ready.
        tcp(ETCD, "health", CONTROL_PLANE, ETCD_HTTP),
        tcp(ETCD, "clients", ETCD, ETCD_CLIENT),
        tcp(ETCD, "peers", ETCD, ETCD_PEER),
        tcp(CONTROL_PLANE, "api", BALANCER, api),
        tcp(CONTROL_PLANE, "api", NODE, api),
        # API servers, and pods that read metrics. The kubelet lets the API authorize each request.
        tcp(NODE, "kubelet", NODE, KUBELET),
        *_pods(page.network),
        *(
            Rule(
                NODE,
                f"node-ports-{protocol}",
                client,
                protocol,
                page.network.node_ports[0],
                page.network.node_ports[-1],
            )
            for client in machines.node_port_clients
            for protocol in ("tcp", "udp")
        ),
    )


def _ssh(machines: AwsSection) -> Iterator[Rule]:
    clients = [*machines.ssh_clients, *([BASTION] if machines.bastion else [])]
    yield from (Rule(MACHINE, "ssh", client, "tcp", SSH, SSH) for client in clients)
    if machines.bastion:
        port = machines.bastion.port
        yield from (Rule(BASTION, "ssh", client, "tcp", port, port) for client in machines.bastion.clients)
        yield Rule(BASTION, "ssh", MACHINE, "tcp", SSH, SSH, outgoing=True)
        # Updates of its packages. The resolver and the clock of a VPC need no rule.
        yield from (Rule(BASTION, f"packages-{p}", "0.0.0.0/0", "tcp", p, p, outgoing=True) for p in (80, 443))


def _pods(network: Network) -> Iterator[Rule]:
    for port in network.plugin.ports:
        yield Rule(NODE, "pods", NODE, port.protocol, port.number, port.number)
    if network.plugin.routes_pod_packets:
        # A packet with the address of a pod belongs to no machine that AWS knows: hence the rules for the pod network.
        # Pods use any port. What they cannot use is no Service of Kubernetes: tunnels and other protocols of IP.
        for other in (NODE, network.pod_cidr):
            yield Rule(NODE, "pods-tcp", other, "tcp", 0, 65535)
            yield Rule(NODE, "pods-udp", other, "udp", 0, 65535)
            yield Rule(NODE, "pods-sctp", other, SCTP)
            yield Rule(NODE, "pods-icmp", other, "icmp")
