"""The kubelet: its first credential is the bootstrap token, its client certificate comes from a CSR."""

from __future__ import annotations

import json
from typing import Any

from components.config import Page
from components.node.model import ROOT, Directory, NodeFile, Part, Ref, Unit
from components.node.render.documents import merged
from components.node.render.haproxy import api_servers, kubernetes_ca
from components.node.render.systemd import flags, service
from components.node.render.tls import CIPHER_SUITES, MIN_VERSION
from components.node.traits import Traits
from components.pki.kubeconfig import by_token_file
from components.topology import NodePlan, Topology

DATA = "/var/lib/kubelet"
SSL = "ssl/kubelet"
_SHARED_DISK = {
    # The disk is the host's: how full that is in per cent says nothing, and removing images would not help it.
    # https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/#hard-eviction-thresholds
    "imageGCHighThresholdPercent": 100,
    "evictionHard": {
        "memory.available": "100Mi",
        "nodefs.available": "100Mi",
        "nodefs.inodesFree": "0%",
        "imagefs.available": "100Mi",
        "imagefs.inodesFree": "0%",
    },
}
CREDENTIAL = f"{DATA}/pki/kubelet-client-current.pem"
"""The client certificate that a kubelet has been given, once it has been."""


def kubelet(page: Page, topology: Topology, node: NodePlan, traits: Traits) -> Part:
    """The kubelet of this node."""
    own = {
        "config": f"{ROOT}/cfg/kubelet.json",
        # What only the node itself knows, such as its cgroup version, is written there by apply.sh.
        "config-dir": f"{ROOT}/cfg/kubelet.d",
        "bootstrap-kubeconfig": f"{ROOT}/cfg/kubelet-bootstrap.kubeconfig",
        "kubeconfig": f"{DATA}/kubeconfig",
        "cert-dir": f"{DATA}/pki",
        "hostname-override": node.name,
        "node-ip": node.address,
    }
    bootstrap = by_token_file(
        cluster=topology.cluster_name,
        server=topology.node_local_url,
        user="kubelet-bootstrap",
        ca=f"{ROOT}/ssl/kubernetes-ca.pem",
        token=f"{ROOT}/{SSL}/bootstrap-token",
    )
    unit = service(
        description="Kubernetes kubelet",
        documentation="https://kubernetes.io/docs/reference/command-line-tools-reference/kubelet/",
        command=[f"{ROOT}/bin/kubelet", *flags(own, page.extra_args.kubelet)],
        after=["containerd.service", "kubernetes-api-proxy.service"],
        wants=["containerd.service", "kubernetes-api-proxy.service"],
        lines=[
            f"ExecStartPre={ROOT}/cfg/kubelet-await-bootstrap.sh",
            "TimeoutStartSec=infinity",
            "KillMode=process",
            "Delegate=yes",
            f"Environment=PATH={ROOT}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ],
    )
    config = json.dumps(_configuration(page, topology, node, traits), indent=2, sort_keys=True) + "\n"
    return Part(
        files=(
            NodeFile("cfg/kubelet.json", config),
            NodeFile("cfg/kubelet-bootstrap.kubeconfig", bootstrap),
            NodeFile("cfg/kubelet-await-bootstrap.sh", _await_bootstrap(topology), mode=0o755),
            kubernetes_ca(),
            NodeFile(f"{SSL}/bootstrap-token", Ref("bootstrap-token"), mode=0o600),
            NodeFile(f"{SSL}/server.pem", Ref(f"{node.name}-kubelet-server:cert")),
            NodeFile(f"{SSL}/server.key", Ref(f"{node.name}-kubelet-server:key"), mode=0o600),
        ),
        units=(
            Unit(
                "kubelet.service",
                unit,
                restart_on=("kubelet", "cfg/kubelet.json", "cfg/kubelet-bootstrap.kubeconfig"),
                # Before its first certificate is signed it cannot be healthy, and nothing here can make it so:
                # the rules that let it be signed come through the API, after the control plane is up.
                health=f"test ! -e {CREDENTIAL} || curl -fsS --max-time 2 http://127.0.0.1:10248/healthz",
            ),
        ),
        artifacts=("kubelet",),
        directories=(Directory(DATA, mode=0o700),),
    )


def _await_bootstrap(topology: Topology) -> str:
    """Wait until the API lets the bootstrap token ask for a certificate.

    A kubelet that asks too early waits twice as long before each further attempt, for half a minute and more. Every
    API server that answers has to know the token, since the kubelet's requests go to any of them.
    """
    servers = " ".join(api_servers(topology).values())
    return f"""\
#!/bin/sh
servers="{servers}"
ask() {{
    printf 'Authorization: Bearer %s' "$(cat {ROOT}/{SSL}/bootstrap-token)" |
        curl -s --max-time 2 --cacert {ROOT}/ssl/kubernetes-ca.pem --header @- --output /dev/null \\
            --write-out '%{{http_code}}' "https://$1/apis/certificates.k8s.io/v1/certificatesigningrequests?limit=1"
}}
all_know() {{
    known=''
    for server in $servers; do
        case $(ask "$server") in
        200) known=yes ;;
        000) ;;         # it is not there
        *) return 1 ;;  # it has not heard of the token yet; asking the others costs what the control plane needs now
        esac
    done
    [ -n "$known" ]
}}
until [ -e {CREDENTIAL} ] || all_know; do sleep 0.5; done
"""


def _configuration(page: Page, topology: Topology, node: NodePlan, traits: Traits) -> dict[str, Any]:
    config: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{ROOT}/ssl/kubernetes-ca.pem"},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "clusterDNS": [topology.dns_address],
        "clusterDomain": topology.domain,
        "readOnlyPort": 0,
        "rotateCertificates": True,
        "tlsCertFile": f"{ROOT}/{SSL}/server.pem",
        "tlsPrivateKeyFile": f"{ROOT}/{SSL}/server.key",
        "tlsMinVersion": MIN_VERSION,
        "tlsCipherSuites": list(CIPHER_SUITES),
        "serializeImagePulls": False,
        "registerWithTaints": [taint.as_dict() for taint in node.taints],
    }
    if traits.container:
        # Swap belongs to the host; a pod still gets none of it.
        config |= {"failSwapOn": False, "memorySwap": {"swapBehavior": "NoSwap"}, "oomScoreAdj": 0}
        config |= _SHARED_DISK
    return merged(config, page.extra_config.kubelet)
