"""flannel on a node: the CNI configuration, which containerd gets once flanneld knows the subnet of the node."""

from __future__ import annotations

import json

from components.node.model import ROOT, NodeFile, NodePart, Remnant, Unit
from components.node.render.containerd import CNI_CONFIG_DIR

CONFIG = "10-flannel.conflist"
SUBNET = "/run/flannel/subnet.env"
"""flanneld writes the subnet of the node into this file."""


def node_part(pod_cidr: str) -> NodePart:
    """What every node with a kubelet has; `pod_cidr` is the network of all pods."""
    return NodePart(
        files=(NodeFile(f"cfg/cni/{CONFIG}", cni_config()),),
        units=(
            Unit("cni-config.service", _install_cni_config(), restart_on=(f"cfg/cni/{CONFIG}",)),
            Unit("cni-config.path", _when_flannel_is_up()),
        ),
        artifacts=("cni-flannel",),
        remnants=(
            Remnant("interface", "cni0"),
            Remnant("interface", "flannel.*"),
            Remnant("nftables", "flannel-ipv4"),
            Remnant("nftables", "flannel-ipv6"),
            Remnant("chain", "FLANNEL-"),
            # Routes of the backend host-gw belong to no interface of flannel.
            Remnant("routes", pod_cidr),
            Remnant("directory", "/run/flannel"),
        ),
    )


def cni_config() -> str:
    """The chain of CNI plugins: flannel delegates to bridge and host-local, portmap serves hostPorts."""
    plugins = [
        # The version that the flannel plugin's delegate understands.
        {"type": "flannel", "delegate": {"hairpinMode": True, "isDefaultGateway": True}},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    return json.dumps({"name": "cbr0", "cniVersion": "0.3.1", "plugins": plugins}, indent=2) + "\n"


def _when_flannel_is_up() -> str:
    return f"""\
[Unit]
Description=Wait until flannel knows the subnet of this node

[Path]
PathExists={SUBNET}
Unit=cni-config.service

[Install]
WantedBy=multi-user.target
"""


def _install_cni_config() -> str:
    # A node that reports its network as ready before flannel is up makes the kubelet fail the first pods and
    # wait ten seconds or more before it tries them again.
    return f"""\
[Unit]
Description=Tell containerd of the pod network
ConditionPathExists={SUBNET}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/install -D -m 0644 {ROOT}/cfg/cni/{CONFIG} {CNI_CONFIG_DIR}/{CONFIG}
"""
