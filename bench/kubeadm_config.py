"""The files that somebody writes who makes a cluster of local machines with kubeadm. Pure text.

The formats are kubeadm.k8s.io/v1beta4, kubelet.config.k8s.io/v1beta1 and kubeproxy.config.k8s.io/v1alpha1. What is not
said here is kubeadm's default. The settings for machines that are containers are those of hardway's own nodes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from components.node.payload import Entry
from components.node.render.kubelet import SHARED_DISK
from components.node.render.operating_system import OF_THE_NETWORK
from components.topology import NodePlan, Topology
from tools.from_source.catalogue import KUBERNETES_DEFAULT
from tools.from_source.kubeadm import COREDNS_TAG, ETCD_TAG, PAUSE, REGISTRY

FOLDER = "/etc/kubeadm"
ADMIN = "/etc/kubernetes/admin.conf"
_SOCKET = "unix:///run/containerd/containerd.sock"
_API = "kubeadm.k8s.io/v1beta4"
INTERFACE = "eth0"
"""The interface of a container that has its address."""
IGNORED: Sequence[str] = ("SystemVerification", "FileContent--proc-sys-net-bridge-bridge-nf-call-iptables", "Swap")
"""What preflight checks of kubeadm do not find in a container: the configuration of the kernel, and its modules."""
_KUBELET = """\
[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
"""
_KUBELET_DROP_IN = """\
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
--kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
"""
_CONTAINERD = """\
[Unit]
Description=containerd container runtime
Documentation=https://containerd.io
After=network.target

[Service]
ExecStart=/usr/bin/containerd
Type=notify
Delegate=yes
KillMode=process
Restart=always
RestartSec=5
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
OOMScoreAdjust=0

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Secrets:
    """`token` is a bootstrap token (id.secret), `key` encrypts the uploaded certificates (32 bytes as hexadecimal)."""

    token: str
    key: str


@dataclass(frozen=True)
class Layout:
    """The planned cluster, the address of the load balancer, and whether machines have cgroups of version 2."""

    topology: Topology
    balancer: str
    proxy_mode: str
    unified_cgroups: bool


def machine_entries(layout: Layout) -> tuple[Entry, ...]:
    """What the packages kubelet and containerd, and the prerequisites of Kubernetes, put on every machine."""
    units = "etc/systemd/system"
    return (
        Entry("etc/containerd/config.toml", containerd_config(layout.unified_cgroups)),
        Entry(f"{units}/containerd.service", _CONTAINERD),
        Entry(f"{units}/kubelet.service", _KUBELET),
        Entry(f"{units}/kubelet.service.d/10-kubeadm.conf", _KUBELET_DROP_IN),
        Entry("etc/crictl.yaml", f"runtime-endpoint: {_SOCKET}\n"),
        Entry("etc/sysctl.d/99-kubernetes.conf", "".join(f"{k} = {v}\n" for k, v in OF_THE_NETWORK.items())),
    )


def containerd_config(unified_cgroups: bool) -> str:
    """What differs from containerd's defaults: https://kubernetes.io/docs/setup/production-environment/container-runtimes/.

    Containers may not lower their score for the OOM killer.
    """
    return f"""\
version = 3
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{REGISTRY}/pause:{PAUSE}"
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
SystemdCgroup = {str(unified_cgroups).lower()}
"""


def init_config(layout: Layout, node: NodePlan, secrets: Secrets) -> str:
    """The file of `kubeadm init`, for the first control-plane machine."""
    topology = layout.topology
    init = {
        "apiVersion": _API,
        "kind": "InitConfiguration",
        "bootstrapTokens": [{"token": secrets.token, "ttl": "1h0m0s"}],
        "certificateKey": secrets.key,
        "localAPIEndpoint": {"advertiseAddress": node.address, "bindPort": topology.api_port},
        "nodeRegistration": _registration(node),
    }
    cluster = {
        "apiVersion": _API,
        "kind": "ClusterConfiguration",
        "clusterName": topology.cluster_name,
        "kubernetesVersion": f"v{KUBERNETES_DEFAULT}",
        "controlPlaneEndpoint": f"{layout.balancer}:{topology.api_port}",
        "networking": {
            "podSubnet": topology.pod_cidr,
            "serviceSubnet": topology.service_cidr,
            "dnsDomain": topology.domain,
        },
        # The host reaches the load balancer at a port of 127.0.0.1.
        "apiServer": {"certSANs": ["127.0.0.1"]},
        "etcd": {"local": {"imageTag": ETCD_TAG}},
        "dns": {"imageTag": COREDNS_TAG},
    }
    kubelet = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "systemd" if layout.unified_cgroups else "cgroupfs",
        **({} if layout.unified_cgroups else {"failCgroupV1": False}),
        "failSwapOn": False,
        "oomScoreAdj": 0,
        **SHARED_DISK,
    }
    proxy = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": layout.proxy_mode,
        "oomScoreAdj": 0,
        "conntrack": {"maxPerCore": 0, "min": 0},
    }
    return _documents(init, cluster, kubelet, proxy)


def join_config(layout: Layout, node: NodePlan, secrets: Secrets, authority: str) -> str:
    """The file of `kubeadm join`. `authority` is the digest of the authority's key that `kubeadm init` prints."""
    topology = layout.topology
    join: dict[str, Any] = {
        "apiVersion": _API,
        "kind": "JoinConfiguration",
        "discovery": {
            "bootstrapToken": {
                "token": secrets.token,
                "apiServerEndpoint": f"{layout.balancer}:{topology.api_port}",
                "caCertHashes": [authority],
            }
        },
        "nodeRegistration": _registration(node),
    }
    if node.is_control_plane:
        join["controlPlane"] = {
            "localAPIEndpoint": {"advertiseAddress": node.address, "bindPort": topology.api_port},
            "certificateKey": secrets.key,
        }
    return _documents(join)


def flannel_manifest(published: str, pod_cidr: str, proxy_mode: str) -> str:
    """The manifest of flannel with the network of the cluster, for machines that have its CNI plugin already.

    The container that would copy this plugin is left out, and flanneld gets the interface that has the address of the
    machine: the default route of local machines leads nowhere. Raises ValueError if the manifest is another one.
    """
    found = [document for document in yaml.safe_load_all(published) if document]
    kinds = {document["kind"]: document for document in found}
    try:
        config, pod = kinds["ConfigMap"]["data"], kinds["DaemonSet"]["spec"]["template"]["spec"]
        network = json.loads(config["net-conf.json"])
        before = [container["name"] for container in pod["initContainers"]]
        if before != ["install-cni-plugin", "install-cni"]:
            raise ValueError(f"flannel's manifest has other containers than this text knows: {before}")
        pod["initContainers"] = pod["initContainers"][1:]
        pod["containers"][0]["args"].append(f"--iface={INTERFACE}")
    except KeyError as error:
        raise ValueError(f"flannel's manifest has no {error}") from error
    network |= {"Network": pod_cidr, "EnableNFTables": proxy_mode == "nftables"}
    config["net-conf.json"] = json.dumps(network)
    return _documents(*found)


def _registration(node: NodePlan) -> dict[str, Any]:
    return {
        "name": node.name,
        "criSocket": _SOCKET,
        "imagePullPolicy": "Never",
        "ignorePreflightErrors": list(IGNORED),
        "kubeletExtraArgs": [{"name": "node-ip", "value": node.address}],
    }


def _documents(*documents: Mapping[str, Any]) -> str:
    return yaml.safe_dump_all([json.loads(json.dumps(one)) for one in documents], sort_keys=False)
