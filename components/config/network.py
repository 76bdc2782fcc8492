"""`hardway:network` and `hardway:dns`: pod and service networks, proxy, network plugin, CoreDNS."""

import re
from typing import Annotated, Literal

from components.config.names import Cidr, Upstream
from components.config.section import Choice, Rule, Section, listing, whole
from components.network_plugins.contract import PluginSection
from components.network_plugins.flannel.section import FlannelSection

POLICY_ENGINE = "kube-network-policies"
"""The image of what enforces network policies: https://github.com/kubernetes-sigs/kube-network-policies."""
_RANGE = re.compile(r"([0-9]{1,5})-([0-9]{1,5})")


def _range_problem(value: str) -> str | None:
    match = _RANGE.fullmatch(value)
    if match is None:
        return "is not a port range"
    first, last = int(match[1]), int(match[2])
    if not (1 <= first <= 65535 and 1 <= last <= 65535):
        return "leaves the ports 1 to 65535"
    return None if first <= last else "is in the wrong order"


class Network(Section):
    """Addresses of pods and services."""

    pod_cidr: Cidr = "10.244.0.0/16"
    """Network of all pods. Each node gets a part of it."""
    node_cidr_mask_size: Annotated[int, whole("whole number", 16, 28, "bits")] = 24
    """Prefix length of each node's part of `podCidr`."""
    service_cidr: Cidr = "10.96.0.0/16"
    """Network of service addresses. The API has the first address, CoreDNS the tenth."""
    node_port_range: Annotated[
        str, Rule("port range", "FIRST-LAST with 1 <= FIRST <= LAST <= 65535, such as 30000-32767", _range_problem)
    ] = "30000-32767"
    """Ports of services of type NodePort on every node. May not contain a port that the cluster itself uses."""
    proxy_mode: Annotated[Literal["nftables", "iptables", "ipvs"], Choice()] = "nftables"
    """How kube-proxy programs the kernel."""
    flannel: FlannelSection = FlannelSection()
    """The pod network."""
    policies: Annotated[Literal["none", "enforced"], Choice()] = "none"
    """Whether objects of the kind NetworkPolicy count. `enforced`: kube-network-policies runs on every Kubernetes node,
    and refuses connections that no policy allows. `none`: such objects may exist, and nobody enforces them."""

    @property
    def plugin(self) -> PluginSection:
        """The section of the network plugin that the cluster uses."""
        return self.flannel

    @property
    def enforces_policies(self) -> bool:
        """Whether network policies are enforced."""
        return self.policies == "enforced"

    @property
    def node_ports(self) -> range:
        """`node_port_range` as numbers."""
        first, last = self.node_port_range.split("-")
        return range(int(first), int(last) + 1)


class Dns(Section):
    """CoreDNS."""

    # 15 is the limit of CoreDNS' `forward` plugin.
    upstreams: Annotated[tuple[Upstream, ...], listing("at most 15 addresses or files", most=15)] = (
        "/etc/resolv.conf",
    )
    """Servers or files that resolve names outside the cluster, in order. Empty: such names do not exist
    (a closed network)."""
    replicas: Annotated[int, whole("whole number", 1, 100)] = 2
    """Pods of CoreDNS."""
