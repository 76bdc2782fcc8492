"""Who may connect to what: the one table of all security groups. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from components.config import Page
from components.config.aws import AwsMachines
from components.config.network import Flannel
from components.config.ports import ETCD_CLIENT, ETCD_HTTP, ETCD_PEER, KUBELET, SSH
from components.topology import NodePlan

# Groups. Each machine is in MACHINE, and in one for each thing that runs on it.
BALANCER, BASTION, MACHINE, ETCD, CONTROL_PLANE, NODE = (
    *("balancer", "bastion", "machine"),
    *("etcd", "control-plane", "node"),
)
ALL = "-1"
"""Every protocol, as AWS says it."""


@dataclass(frozen=True)
class Rule:
    """Lets connections through to the group `group`, or with `outgoing` from it.

    `other` is the group or the network (CIDR) at the other end; ports are inclusive, and of no meaning where
    `protocol` is ALL. With `icmp` they are its type and code.
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
        """A name for the resource."""
        return f"{self.group}-{self.what}-{'to' if self.outgoing else 'from'}-{self.other.replace('/', '-')}"


def groups(machines: AwsMachines) -> dict[str, str]:
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


def rules(page: Page, machines: AwsMachines) -> tuple[Rule, ...]:
    """All rules. What none of them lets through does not get through."""
    api = page.api.port

    def tcp(group: str, what: str, other: str, port: int, *, outgoing: bool = False) -> Rule:
        return Rule(group, what, other, "tcp", port, port, outgoing)

    return (
        *(tcp(BALANCER, "api", client, api) for client in machines.endpoint.clients),
        # By way of a public one machines would come from the address of their NAT gateway.
        *(() if machines.endpoint.public else (tcp(BALANCER, "api", MACHINE, api),)),
        tcp(BALANCER, "api", CONTROL_PLANE, api, outgoing=True),
        *_ssh(machines),
        # Without it a connection through a narrower path hangs instead of sending smaller packets.
        Rule(MACHINE, "path-mtu", MACHINE, "icmp", 3, 4),
        Rule(MACHINE, "everything", "0.0.0.0/0", outgoing=True),
        tcp(ETCD, "clients", CONTROL_PLANE, ETCD_CLIENT),
        # API servers' proxies ask members whether they are ready.
        tcp(ETCD, "health", CONTROL_PLANE, ETCD_HTTP),
        tcp(ETCD, "clients", ETCD, ETCD_CLIENT),
        tcp(ETCD, "peers", ETCD, ETCD_PEER),
        tcp(CONTROL_PLANE, "api", BALANCER, api),
        tcp(CONTROL_PLANE, "api", NODE, api),
        # API servers, and pods that read metrics. The kubelet asks the API who may.
        tcp(NODE, "kubelet", NODE, KUBELET),
        *_pods(page.network.flannel, page.network.pod_cidr),
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


def _ssh(machines: AwsMachines) -> Iterator[Rule]:
    clients = [*machines.ssh_clients, *([BASTION] if machines.bastion else [])]
    yield from (Rule(MACHINE, "ssh", client, "tcp", SSH, SSH) for client in clients)
    if machines.bastion:
        port = machines.bastion.port
        yield from (Rule(BASTION, "ssh", client, "tcp", port, port) for client in machines.bastion.clients)
        yield Rule(BASTION, "ssh", MACHINE, "tcp", SSH, SSH, outgoing=True)


def _pods(flannel: Flannel, pods: str) -> Iterator[Rule]:
    if flannel.backend == "vxlan":
        yield Rule(NODE, "pods", NODE, "udp", flannel.port, flannel.port)
        return
    # Packets of pods cross the network as they are. To AWS those of pods come from no machine, hence the network.
    yield Rule(NODE, "pods", NODE)
    yield Rule(NODE, "pods", pods)
