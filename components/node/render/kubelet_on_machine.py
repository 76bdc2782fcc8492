"""What a kubelet protects on a machine. A container is none: it shares kernel, memory and shutdown with its host."""

from __future__ import annotations

import json
from typing import Any

from components.config import Page
from components.node.model import NodeFile, NodePart, Remnant
from components.topology import NodePlan

RESERVED = "cfg/kubelet.d/20-reserved.conf"
"""stage.sh replaces the placeholders in this file, because only the machine knows its memory and its processors."""
SERVICES_MIB = 512
"""MiB for etcd and the API server with its controllers, which are no pods and which no pod may push out."""
SYSCTLS = {
    # With protectKernelDefaults, a kubelet does not change these and refuses to start if they differ.
    # Source: setupKernelTunables in pkg/kubelet/cm/container_manager_linux.go of k8s.io/kubernetes.
    "vm.overcommit_memory": "1",
    "vm.panic_on_oom": "0",
    "kernel.panic": "10",
    "kernel.panic_on_oops": "1",
    "kernel.keys.root_maxkeys": "1000000",
    "kernel.keys.root_maxbytes": "25000000",
}
# A machine that shuts down or reboots waits so long for its pods to end in order, the last 20 s for critical pods.
_SHUTDOWN = {"shutdownGracePeriod": "60s", "shutdownGracePeriodCriticalPods": "20s"}
_LOGIND_FOLDER = "/etc/systemd/logind.conf.d"
_LOGIND = f"{_LOGIND_FOLDER}/99-kubelet.conf"
"""The kubelet writes this file, so that logind waits for the pods of the node."""


def configuration(page: Page) -> dict[str, Any]:
    """Fields of the kubelet. If the page has a field or a gate of shutdowns, then the page decides all of it."""
    fields = page.extra_config.kubelet
    gates = fields.get("featureGates") or {}
    theirs = "GracefulNodeShutdown" in gates or any(name.startswith("shutdownGracePeriod") for name in fields)
    return {"protectKernelDefaults": True, **({} if theirs else _SHUTDOWN)}


def kubelet_on_machine(page: Page, node: NodePlan) -> NodePart:
    """What the machine gives to its services before it gives to pods, unless the page says so itself."""
    remnants = (Remnant("directory", _LOGIND), Remnant("empty-directory", _LOGIND_FOLDER))
    if "kubeReserved" in page.extra_config.kubelet:
        return NodePart(remnants=remnants)
    services = SERVICES_MIB if node.is_control_plane or node.is_etcd else 0
    content = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "kubeReserved": {"cpu": "@RESERVED_CPU@m", "memory": f"@RESERVED_MEMORY+{services}@Mi"},
    }
    return NodePart(files=(NodeFile(RESERVED, json.dumps(content, sort_keys=True) + "\n"),), remnants=remnants)
