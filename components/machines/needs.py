"""What a cluster needs of a host, as variables for preflight.sh. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from components.architecture import AMD64
from components.config import Page, ports
from components.config.existing import ExistingSection
from components.network_policies.node import MODULES as OF_POLICIES
from components.node.plan import NodeEnvironment, plan_node
from components.node.render import kube_proxy
from components.node.render.operating_system import MODULES, settings_of
from components.node.traits import Traits
from components.topology import NodePlan, Topology

CORES = {"control-plane": 2, "etcd": 1, "worker": 1}
MEMORY_MIB = {"control-plane": 1700, "etcd": 900, "worker": 900}
"""kubeadm's preflight requires 1700 MiB of a control-plane node; less is enough if only etcd or pods run."""
PROGRAMS_MIB, DATA_MIB = 2048, 4096
"""Free space: programs of three releases below /opt; first images, pods and etcd data below /var/lib."""
_RESOLV_CONF = "/etc/resolv.conf"
"""In a pod of CoreDNS: what the kubelet writes there are the name servers of the host."""
_WEB = {"http": 80, "https": 443}
# kube-proxy's documentation: its nftables mode needs 5.13. Everything else runs with 4.19 or newer.
_KERNEL = {"nftables": "5.13", "iptables": "4.19", "ipvs": "4.19"}


def traits_of(hosts: ExistingSection) -> Traits:
    """The traits of the hosts of a page. Swap of a container belongs to the container's host."""
    return Traits(container=hosts.containers, swap_off=hosts.swap == "disable" and not hosts.containers)


def needs_of(page: Page, hosts: ExistingSection, topology: Topology, node: NodePlan) -> dict[str, str]:
    """Variables for preflight.sh."""
    traits = traits_of(hosts)
    part = plan_node(page, topology, node, NodeEnvironment({node.architecture: ""}, {}, traits))
    data = [d.path for d in part.directories if d.path.startswith("/var/") or d.path in _etcd_paths(page)]
    return {
        "ADDRESS": node.address,
        "CONTAINERS": str(hosts.containers).lower(),
        "PACKAGES": hosts.packages,
        "SWAP": hosts.swap,
        "CORES": str(max(CORES[role] for role in node.roles)),
        "MEMORY": str(max(MEMORY_MIB[role] for role in node.roles)),
        "DISKS": f"/opt:{PROGRAMS_MIB} /var/lib:{DATA_MIB}",
        "KERNEL": _KERNEL[page.network.proxy_mode] if node.runs_kubelet else "4.19",
        # A container cannot load a module; overlay is the only module that is visible without being loaded.
        "MODULES": " ".join(_modules(page, hosts)) if node.runs_kubelet else "",
        "SYSCTLS": " ".join(f"{n}={v}" for n, v in settings_of(traits).items()) if node.runs_kubelet else "",
        "COMMANDS": " ".join(dict.fromkeys(("curl", "tar", "flock", "base64", *part.commands))),
        "UNITS": " ".join(unit.name for unit in part.units),
        "DATA": " ".join(data),
        "NETWORKS": f"network.podCidr={page.network.pod_cidr} network.serviceCidr={page.network.service_cidr}",
        # In the other modes, the network plugin itself accepts packets of pods in the chain FORWARD of iptables.
        "FORWARDED": str(page.network.pod_cidr) if node.runs_kubelet and page.network.proxy_mode == "nftables" else "",
        "PORTS": " ".join(f"{port}:{unit}" for port, unit in _ports(page, hosts, node)),
        "PEERS": " ".join(dict.fromkeys(_peers(page, topology, node))),
        "SERVERS": " ".join(dict.fromkeys(_mirrors(page, node))),
        "PROXIES": " ".join(_authority(url) for url in _proxies(page)),
        "RESOLVER": "host" if node.runs_kubelet and _RESOLV_CONF in page.dns.upstreams else "",
        "VIRTUAL": f"{hosts.vip.address}:{hosts.vip.port}" if hosts.vip and node.is_control_plane else "",
        # The inspection of an amd64 host stays the same as that of versions without this key.
        **({} if node.architecture == AMD64 else {"ARCHITECTURE": node.architecture}),
    }


def _modules(page: Page, hosts: ExistingSection) -> tuple[str, ...]:
    if hosts.containers:
        return MODULES[:1]
    of_policies = OF_POLICIES if page.network.enforces_policies else ()
    return (*MODULES, *page.network.plugin.modules, *kube_proxy.modules(page), *of_policies)


def _etcd_paths(page: Page) -> tuple[str | None, ...]:
    return page.etcd.data_dir, page.etcd.wal_dir


def _ports(page: Page, hosts: ExistingSection, node: NodePlan) -> Iterator[tuple[str | int, str]]:
    """Ports that the node's services listen on, each with the unit of the service.

    The network plugin runs in a pod, so its unit is the kubelet's.
    """
    if node.is_etcd:
        for port in (ports.ETCD_CLIENT, ports.ETCD_PEER, ports.ETCD_HTTP):
            yield port, "etcd.service"
    if node.runs_kubelet:
        yield ports.NODE_LOCAL_API, "kubernetes-api-proxy.service"
        yield ports.KUBELET_HEALTH, "kubelet.service"
        yield ports.KUBELET, "kubelet.service"
        yield ports.PROXY_METRICS, "kube-proxy.service"
        yield ports.PROXY_HEALTH, "kube-proxy.service"
        if page.network.enforces_policies:
            yield ports.POLICY_METRICS, "kubelet.service"
        for plugin_port in page.network.plugin.ports:
            number = plugin_port.number
            yield f"{number}/udp" if plugin_port.protocol == "udp" else number, "kubelet.service"
    if node.is_control_plane:
        yield ports.ETCD_PROXY, "etcd-proxy.service"
        yield page.api.port, "kube-apiserver.service"
        yield ports.CONTROLLER_MANAGER, "kube-controller-manager.service"
        yield ports.SCHEDULER, "kube-scheduler.service"
        if hosts.vip:
            yield hosts.vip.port, "kubernetes-vip-proxy.service"


def _peers(page: Page, topology: Topology, node: NodePlan) -> Iterator[str]:
    """Ports of other nodes that this node has to reach."""
    for other in topology.nodes:
        if other.name == node.name:
            continue
        if other.is_etcd and node.is_etcd:
            yield f"{other.address}:{ports.ETCD_PEER}"
        if other.is_etcd and (node.is_control_plane or node.is_etcd):
            yield f"{other.address}:{ports.ETCD_CLIENT}"
        if other.is_etcd and node.is_control_plane:
            yield f"{other.address}:{ports.ETCD_HTTP}"
        if other.is_control_plane and node.runs_kubelet:
            yield f"{other.address}:{page.api.port}"
        if other.runs_kubelet and node.is_control_plane:
            yield f"{other.address}:{ports.KUBELET}"


def _mirrors(page: Page, node: NodePlan) -> Iterator[str]:
    """The servers of the page from which the node fetches programs and images itself, and not through a proxy."""
    urls = [page.artifacts.mirror] if page.artifacts.mirror else []
    if node.runs_kubelet:
        urls += page.artifacts.registry_mirrors.values()
    proxy = page.artifacts.proxy
    return (_authority(url) for url in urls if proxy is None or proxy.of(url) is None)


def _proxies(page: Page) -> Iterator[str]:
    return page.artifacts.proxy.urls() if page.artifacts.proxy else iter(())


def _authority(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or _WEB[parts.scheme]}"
