"""flannel in the cluster: flanneld on every node, with its rights and its configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_kubernetes as k8s

from components.config.network import Network
from components.network_plugins.daemons import make_account, make_daemons
from components.network_plugins.flannel import own_node
from components.object_options import child_of

NAME = "kube-flannel"
_APP = "flannel"
_RIGHTS = (
    {"api_groups": [""], "resources": ["pods"], "verbs": ["get"]},
    {"api_groups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]},
    {"api_groups": [""], "resources": ["nodes/status"], "verbs": ["patch"]},
)


@dataclass(frozen=True)
class FlannelArgs:
    """The pod network, pinned images by architecture, the port on 127.0.0.1 where every node reaches the API.

    `annotations` are those of pods.
    """

    network: Network
    images: Mapping[str, str]
    node_local_port: int
    annotations: Mapping[str, str] = field(default_factory=dict)


class Flannel(pulumi.ComponentResource):
    """flanneld as a DaemonSet. flanneld needs no service address, since services need flanneld.

    Each architecture has a DaemonSet of its own if their images differ. When `daemons` are done, pods of every node
    have a network.
    """

    daemons: Sequence[pulumi.Resource]

    def __init__(self, name: str, args: FlannelArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hardway:addons:Flannel", name, {}, opts)
        child = child_of(self, opts)
        # flanneld writes routes and firewall rules of the node.
        metadata = make_account(name, NAME, _APP, _RIGHTS, child).metadata
        own_node.make_policy(name, f"system:serviceaccount:{NAME}:flannel", child)
        config = k8s.core.v1.ConfigMap(
            f"{name}-config", metadata=metadata, data={"net-conf.json": net_conf(args.network)}, opts=child
        )
        self.daemons = make_daemons(
            name,
            metadata,
            args.images,
            args.annotations,
            lambda image: _pod(args, image, config.metadata.name),
            child,
        )
        self.register_outputs({})


def net_conf(network: Network) -> str:
    """What flanneld reads, as its Documentation/configuration.md describes it."""
    backend: dict[str, object] = {"Type": network.flannel.backend}
    if network.flannel.backend == "vxlan":
        backend |= {"VNI": network.flannel.vni, "Port": network.flannel.port}
    nftables = network.proxy_mode == "nftables"
    return json.dumps(
        {"Network": str(network.pod_cidr), "EnableNFTables": nftables, "Backend": backend}, indent=2, sort_keys=True
    )


def _pod(args: FlannelArgs, image: str, config: pulumi.Input[str]) -> dict[str, object]:
    return {
        "host_network": True,
        "priority_class_name": "system-node-critical",
        "service_account_name": "flannel",
        "tolerations": [{"operator": "Exists"}],
        "containers": [
            {
                "name": "flannel",
                "image": image,
                "command": ["/opt/bin/flanneld"],
                # The interface with the node's own address: the default route may use another interface, or be missing.
                "args": ["--ip-masq", "--kube-subnet-mgr", "--iface=$(NODE_ADDRESS)"],
                "env": [
                    {"name": "POD_NAME", "value_from": {"field_ref": {"field_path": "metadata.name"}}},
                    {"name": "POD_NAMESPACE", "value_from": {"field_ref": {"field_path": "metadata.namespace"}}},
                    {"name": "NODE_ADDRESS", "value_from": {"field_ref": {"field_path": "status.hostIP"}}},
                    # Through the node-local proxy: the service address works only after kube-proxy has started.
                    {"name": "KUBERNETES_SERVICE_HOST", "value": "127.0.0.1"},
                    {"name": "KUBERNETES_SERVICE_PORT", "value": str(args.node_local_port)},
                ],
                "resources": {"requests": {"cpu": "100m", "memory": "50Mi"}},
                "security_context": {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}},
                "volume_mounts": [
                    {"name": "run", "mount_path": "/run/flannel"},
                    {"name": "config", "mount_path": "/etc/kube-flannel/"},
                    {"name": "xtables-lock", "mount_path": "/run/xtables.lock"},
                ],
            }
        ],
        "volumes": [
            {"name": "run", "host_path": {"path": "/run/flannel", "type": "DirectoryOrCreate"}},
            {"name": "config", "config_map": {"name": config}},
            {"name": "xtables-lock", "host_path": {"path": "/run/xtables.lock", "type": "FileOrCreate"}},
        ],
    }
