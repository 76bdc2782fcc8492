"""kube-proxy: cluster addresses and node ports on every node."""

from __future__ import annotations

import json
from typing import Any

from components.config import Page
from components.node.model import ROOT, NodeFile, Part, Ref, Unit
from components.node.render.documents import merged
from components.node.render.haproxy import kubernetes_ca
from components.node.render.kubelet import CREDENTIAL
from components.node.render.systemd import service
from components.node.traits import Traits
from components.pki.kubeconfig import by_files
from components.topology import NodePlan, Topology

SSL = "ssl/kube-proxy"


def kube_proxy(page: Page, topology: Topology, node: NodePlan, traits: Traits) -> Part:
    """The kube-proxy of this node; it asks the API through the node-local proxy, so it needs no cluster address."""
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
            # It looks for its Node object for 30 s and then takes loopback for the node's address.
            f"ExecStartPre=/bin/sh -c 'until test -e {CREDENTIAL}; do sleep 0.5; done'",
            "TimeoutStartSec=infinity",
        ],
        after=["kubernetes-api-proxy.service"],
        wants=["kubernetes-api-proxy.service"],
    )
    config = json.dumps(_configuration(page, node, traits), indent=2, sort_keys=True) + "\n"
    return Part(
        files=(
            NodeFile("cfg/kube-proxy.json", config),
            NodeFile("cfg/kube-proxy.kubeconfig", kubeconfig),
            kubernetes_ca(),
            NodeFile(f"{SSL}/client.pem", Ref(f"{node.name}-kube-proxy:cert")),
            NodeFile(f"{SSL}/client.key", Ref(f"{node.name}-kube-proxy:key"), mode=0o600),
        ),
        units=(
            Unit(
                "kube-proxy.service",
                unit,
                restart_on=("kube-proxy", "cfg/kube-proxy.json", "cfg/kube-proxy.kubeconfig"),
                health=f"test ! -e {CREDENTIAL} || curl -fsS --max-time 2 http://127.0.0.1:10256/livez",
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
