"""kube-proxy: cluster addresses and node ports on every node."""

from __future__ import annotations

import json
from typing import Any

from components.config import Page
from components.node.model import ROOT, NodeFile, NodePart, Ref, Unit
from components.node.render.documents import merged
from components.node.render.haproxy import kubernetes_ca
from components.node.render.kubelet import CREDENTIAL
from components.node.render.probe import CURL
from components.node.render.systemd import service
from components.node.traits import Traits
from components.pki.kubeconfig import by_files
from components.pki.names import certificate_of, key_of
from components.topology import NodePlan, Topology

SSL = "ssl/kube-proxy"
_SCHEDULER = "rr"
"""The scheduler that kube-proxy gives to virtual servers by itself (`defaultScheduler` in its pkg/proxy/ipvs)."""
_CLEANUP = f"{ROOT}/bin/kube-proxy --cleanup"
# kube-proxy leaves the sets of addresses of IPv6.
_SETS = "ipset list -name | grep ^KUBE- | xargs -rn1 ipset destroy"
_OF_IPVS = f"test ! -e /sys/class/net/kube-ipvs0 || {{ {_CLEANUP}; {_SETS}; }}"
# A kube-proxy that starts in the mode nftables removes what other modes have left, except for sets, and in another mode
# what nftables has left. iptables and ipvs leave each other's things alone: `platformCleanup` in its cmd/kube-proxy.
# Virtual servers would answer for services that are gone, and rules would refuse connections to services with pods.
_LEFT_OVERS = {
    "nftables": _OF_IPVS,
    "iptables": _OF_IPVS,
    "ipvs": f"! iptables-save --table nat | grep -q ^:KUBE-SVC- || {_CLEANUP}",
}


def modules(page: Page) -> tuple[str, ...]:
    """Modules of the kernel without which kube-proxy cannot work in its mode. kube-proxy, or the kernel, loads them."""
    if page.network.proxy_mode == "nftables":
        return ("nf_tables",)
    if page.network.proxy_mode == "iptables":
        return ()
    scheduler = page.extra_config.kube_proxy.get("ipvs", {}).get("scheduler") or _SCHEDULER
    # The interface kube-ipvs0 is a dummy interface.
    return "ip_vs", f"ip_vs_{scheduler}", "ip_set", "dummy"


def kube_proxy(page: Page, topology: Topology, node: NodePlan, traits: Traits) -> NodePart:
    """The kube-proxy of this node. It uses the node-local proxy, so it needs no service address for the API."""
    kubeconfig = by_files(
        cluster=topology.cluster_name,
        server=topology.node_local_url,
        user="system:kube-proxy",
        ca=f"{ROOT}/ssl/kubernetes-ca.pem",
        cert=f"{ROOT}/{SSL}/client.pem",
        key=f"{ROOT}/{SSL}/client.key",
    )
    unit = service(
        description="Kubernetes kube-proxy",
        documentation="https://kubernetes.io/docs/reference/command-line-tools-reference/kube-proxy/",
        command=[f"{ROOT}/bin/kube-proxy --config={ROOT}/cfg/kube-proxy.json"],
        lines=[
            # kube-proxy waits 30 s for its Node object and then uses the loopback address as the node's address.
            f"ExecStartPre=/bin/sh -c 'until test -e {CREDENTIAL}; do sleep 0.5; done'",
            f"ExecStartPre=-/bin/sh -c '{_LEFT_OVERS[page.network.proxy_mode]}'",
            "TimeoutStartSec=infinity",
        ],
        after=["kubernetes-api-proxy.service"],
        wants=["kubernetes-api-proxy.service"],
    )
    config = json.dumps(_configuration(page, node, traits), indent=2, sort_keys=True) + "\n"
    return NodePart(
        files=(
            NodeFile("cfg/kube-proxy.json", config),
            NodeFile("cfg/kube-proxy.kubeconfig", kubeconfig, mode=0o600),
            kubernetes_ca(),
            NodeFile(f"{SSL}/client.pem", Ref(certificate_of(f"{node.name}-kube-proxy"))),
            NodeFile(f"{SSL}/client.key", Ref(key_of(f"{node.name}-kube-proxy")), mode=0o600),
        ),
        units=(
            Unit(
                "kube-proxy.service",
                unit,
                # kube-proxy reads the trust bundle of its kubeconfig again only after minutes.
                restart_on=("kube-proxy", "cfg/kube-proxy.json", "cfg/kube-proxy.kubeconfig", kubernetes_ca().path),
                health=f"test ! -e {CREDENTIAL} || {CURL} http://127.0.0.1:10256/livez",
            ),
        ),
        artifacts=("kube-proxy",),
        commands={"nftables": ("nft",), "iptables": ("iptables",), "ipvs": ("iptables", "ipset")}[
            page.network.proxy_mode
        ],
    )


def _configuration(page: Page, node: NodePlan, traits: Traits) -> dict[str, Any]:
    config: dict[str, Any] = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": f"{ROOT}/cfg/kube-proxy.kubeconfig"},
        "mode": page.network.proxy_mode,
        "clusterCIDR": str(page.network.pod_cidr),
        "hostnameOverride": node.name,
        "bindAddress": "0.0.0.0",
        "healthzBindAddress": "0.0.0.0:10256",
        "metricsBindAddress": "127.0.0.1:10249",
    }
    if traits.container:
        config |= {"oomScoreAdj": 0, "conntrack": {"maxPerCore": 0, "min": 0}}
    return merged(config, page.extra_config.kube_proxy)
