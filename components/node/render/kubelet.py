"""The kubelet. It gets its client certificate by a CSR, with a bootstrap token or with the identity of the node."""

from __future__ import annotations

import json
from typing import Any

from components.config import Page
from components.config.ports import KUBELET
from components.node.model import ROOT, Directory, NodeFile, NodePart, Ref, Unit, merge
from components.node.render.documents import merged
from components.node.render.haproxy import api_servers, kubernetes_ca
from components.node.render.kubelet_on_machine import configuration, kubelet_on_machine
from components.node.render.probe import CURL
from components.node.render.systemd import flags, service
from components.node.render.tls import CIPHER_SUITES, MIN_VERSION
from components.node.scripts import text
from components.node.traits import Traits
from components.pki.kubeconfig import by_files, by_token_file
from components.pki.names import (
    SERVICE_ACCOUNT_KEY_IDS,
    bootstrap_token,
    bootstrap_token_end,
    certificate_of,
    key_of,
    signing_certificate,
)
from components.topology import NodePlan, Topology

DATA = "/var/lib/kubelet"
SSL = "ssl/kubelet"
SHARED_DISK = {
    # The disk belongs to the host: its use in per cent says nothing about the node, and removing images frees little.
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
"""Fields of a kubelet whose machine is a container."""
SCRIPT = "cfg/kubelet-credential.sh"
_RESOLVER = "cfg/kubelet-resolver.sh"
CREDENTIAL = f"{DATA}/pki/kubelet-client-current.pem"
"""The present client certificate of the kubelet; the file exists after the first certificate was issued."""


def kubelet(page: Page, topology: Topology, node: NodePlan, traits: Traits) -> NodePart:
    """The kubelet of this node."""
    own = {
        "config": f"{ROOT}/cfg/kubelet.json",
        # stage.sh writes into this folder what only the machine knows, such as its cgroup version.
        "config-dir": f"{ROOT}/cfg/kubelet.d",
        "bootstrap-kubeconfig": "/run/hardway/kubelet-bootstrap.kubeconfig",
        "kubeconfig": f"{DATA}/kubeconfig",
        "cert-dir": f"{DATA}/pki",
        "hostname-override": node.name,
        "node-ip": node.address,
    }
    api = {"cluster": topology.cluster_name, "server": topology.node_local_url, "ca": f"{ROOT}/ssl/kubernetes-ca.pem"}
    at = f"{ROOT}/{SSL}"
    token = by_token_file(**api, user="kubelet-bootstrap", token=f"{at}/bootstrap-token")
    identity = by_files(**api, user=f"system:node:{node.name}", cert=f"{at}/client.pem", key=f"{at}/client.key")
    servers = "".join(f"{server}\n" for server in api_servers(topology).values())
    unit = service(
        description="Kubernetes kubelet",
        documentation="https://kubernetes.io/docs/reference/command-line-tools-reference/kubelet/",
        command=[f"{ROOT}/bin/kubelet", *flags(own, page.extra_args.kubelet)],
        after=["containerd.service", "kubernetes-api-proxy.service"],
        wants=["containerd.service", "kubernetes-api-proxy.service"],
        lines=[
            f"ExecStartPre={ROOT}/{_RESOLVER}",
            f"ExecStartPre={ROOT}/{SCRIPT}",
            "TimeoutStartSec=infinity",
            "KillMode=process",
            "Delegate=yes",
            f"Environment=PATH={ROOT}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ],
    )
    config = json.dumps(_configuration(page, topology, node, traits), indent=2, sort_keys=True) + "\n"
    machine = NodePart() if traits.container else kubelet_on_machine(page, node)
    part = NodePart(
        files=(
            NodeFile("cfg/kubelet.json", config, mode=0o600),
            NodeFile("cfg/kubelet-token.kubeconfig", token),
            NodeFile("cfg/kubelet-identity.kubeconfig", identity),
            NodeFile("cfg/api-servers", servers),
            NodeFile(SCRIPT, text("kubelet_credential"), mode=0o755),
            NodeFile(_RESOLVER, text("kubelet_resolver"), mode=0o755),
            kubernetes_ca(),
            NodeFile(f"{SSL}/bootstrap-token", Ref(bootstrap_token(node.name)), mode=0o600),
            NodeFile(f"{SSL}/bootstrap-token-end", Ref(bootstrap_token_end(node.name))),
            NodeFile(f"{SSL}/client.pem", Ref(certificate_of(f"{node.name}-identity"))),
            NodeFile(f"{SSL}/client.key", Ref(key_of(f"{node.name}-identity")), mode=0o600),
            NodeFile(f"{SSL}/issuer.pem", Ref(signing_certificate("kubernetes"))),
            NodeFile(f"{SSL}/service-account-key-ids", Ref(SERVICE_ACCOUNT_KEY_IDS)),
            NodeFile(f"{SSL}/server.pem", Ref(certificate_of(f"{node.name}-kubelet-server"))),
            NodeFile(f"{SSL}/server.key", Ref(key_of(f"{node.name}-kubelet-server")), mode=0o600),
        ),
        units=(
            Unit(
                "kubelet.service",
                unit,
                # The kubelet reads the trust bundle of its kubeconfig again only after minutes.
                restart_on=(
                    "kubelet",
                    "cfg/kubelet.json",
                    "cfg/kubelet-token.kubeconfig",
                    "cfg/kubelet-identity.kubeconfig",
                    kubernetes_ca().path,
                    *(file.path for file in machine.files),
                ),
                # Without its first certificate the kubelet cannot be healthy. The RBAC rules that allow its signing are
                # created through the API, after the control plane is up.
                health=f"test ! -e {CREDENTIAL} || {CURL} http://127.0.0.1:10248/healthz",
                shows=(f"127.0.0.1:{KUBELET}", f"{SSL}/server.pem"),
            ),
        ),
        artifacts=("kubelet",),
        directories=(Directory(DATA, mode=0o700),),
        commands=("openssl",),
    )
    return merge((part, machine))


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
        # The script chooses the file.
        "resolvConf": "/run/hardway/resolv.conf",
        "readOnlyPort": 0,
        "rotateCertificates": True,
        "tlsCertFile": f"{ROOT}/{SSL}/server.pem",
        "tlsPrivateKeyFile": f"{ROOT}/{SSL}/server.key",
        "tlsMinVersion": MIN_VERSION,
        "tlsCipherSuites": list(CIPHER_SUITES),
        "serializeImagePulls": False,
        # The default profile of the runtime, for pods that name none. Of a node's processes, no pod may use up all.
        "seccompDefault": True,
        "podPidsLimit": 4096,
        "registerWithTaints": [taint.as_dict() for taint in node.taints],
    }
    if traits.container:
        # Swap belongs to the host; pods get no swap.
        config |= {"failSwapOn": False, "memorySwap": {"swapBehavior": "NoSwap"}, "oomScoreAdj": 0}
        config |= SHARED_DISK
    else:
        config |= configuration(page)
    return merged(config, page.extra_config.kubelet)
