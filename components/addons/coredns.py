"""CoreDNS: names of services and pods, and upstream servers for all other names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_kubernetes as k8s

from components.addons.isolation import DNS_LABELS
from components.config.nodes import CONTROL_PLANE_KEY
from components.object_options import child_of, pod_metadata
from components.topology import NodePlan, TaintPlan

NAME = "coredns"
_LABELS = DNS_LABELS
_RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class CoreDnsArgs:
    """The pinned image, the service's address, the cluster's domain, upstream servers or files, how many pods.

    `spread` is the result of `spread_over`. `annotations` are those of the pods.
    """

    image: str
    address: str
    domain: str
    upstreams: Sequence[str]
    replicas: int
    spread: int
    annotations: Mapping[str, str] = field(default_factory=dict)


class CoreDns(pulumi.ComponentResource):
    """The deployment and its service `kube-dns`, which is the name that other programs expect."""

    def __init__(
        self, name: str, args: CoreDnsArgs, opts: pulumi.ResourceOptions | None, network: Sequence[pulumi.Resource]
    ) -> None:
        super().__init__("hardway:addons:CoreDns", name, {}, opts)
        child = child_of(self, opts)
        metadata = {"name": NAME, "namespace": "kube-system", "labels": _LABELS}
        account = k8s.core.v1.ServiceAccount(f"{name}-account", metadata=metadata, opts=child)
        role = k8s.rbac.v1.ClusterRole(
            f"{name}-role",
            metadata={"name": f"system:{NAME}"},
            rules=[
                {"api_groups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
                {"api_groups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
            ],
            opts=child,
        )
        binding = k8s.rbac.v1.ClusterRoleBinding(
            f"{name}-binding",
            metadata={"name": f"system:{NAME}"},
            role_ref={"api_group": _RBAC, "kind": "ClusterRole", "name": role.metadata.name},
            subjects=[{"kind": "ServiceAccount", "name": account.metadata.name, "namespace": "kube-system"}],
            opts=child,
        )
        config = k8s.core.v1.ConfigMap(
            f"{name}-config", metadata=metadata, data={"Corefile": corefile(args.domain, args.upstreams)}, opts=child
        )
        k8s.apps.v1.Deployment(
            f"{name}-servers",
            metadata=metadata,
            spec={
                "replicas": args.replicas,
                # A kube-proxy may notice a ready pod up to a second late, so a pod counts as available only later.
                "min_ready_seconds": 2,
                "selector": {"match_labels": _LABELS},
                "strategy": {"rolling_update": {"max_unavailable": 1}},
                "template": {
                    "metadata": pod_metadata(_LABELS, args.annotations),
                    "spec": _pod(args.image, config.metadata.name, args.spread),
                },
            },
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[binding, *network])),
        )
        k8s.core.v1.Service(
            f"{name}-service",
            # Waiting for the deployment is enough; the provider would wait ten seconds longer for the service.
            metadata=metadata | {"name": "kube-dns", "annotations": {"pulumi.com/skipAwait": "true"}},
            spec={
                "cluster_ip": args.address,
                "selector": _LABELS,
                "ports": [
                    {"name": "dns", "port": 53, "target_port": 53, "protocol": "UDP"},
                    {"name": "dns-tcp", "port": 53, "target_port": 53, "protocol": "TCP"},
                    {"name": "metrics", "port": 9153, "target_port": 9153, "protocol": "TCP"},
                ],
            },
            opts=child,
        )
        k8s.policy.v1.PodDisruptionBudget(
            f"{name}-budget",
            metadata=metadata,
            spec={"max_unavailable": 1, "selector": {"match_labels": _LABELS}},
            opts=child,
        )
        self.register_outputs({"address": args.address})


def corefile(domain: str, upstreams: Sequence[str]) -> str:
    """https://coredns.io/plugins/kubernetes/; without upstreams, names outside the cluster do not exist."""
    lines = [
        ".:53 {",
        "    errors",
        "    health {",
        "        lameduck 5s",
        "    }",
        "    ready",
        f"    kubernetes {domain} in-addr.arpa ip6.arpa {{",
        "        pods insecure",
        "        fallthrough in-addr.arpa ip6.arpa",
        "        ttl 30",
        "    }",
        "    prometheus :9153",
        *([f"    forward . {' '.join(upstreams)}"] if upstreams else []),
        "    cache 30",
        "    loop",
        "    reload",
        "    loadbalance",
        "}",
        "",
    ]
    return "\n".join(lines)


def spread_over(nodes: Sequence[NodePlan], replicas: int) -> int:
    """The least number of nodes that have to be able to run pods of CoreDNS before a node gets a second pod.

    A node with a taint that the pods do not tolerate cannot run them. If there are more pods than nodes, then one node
    less counts: a drain has to find a place for the second pod of its node, or the budget would stop the drain.
    """
    fit = sum(not any(_keeps_away(taint) for taint in node.taints) for node in nodes)
    return max(1, min(replicas, fit if replicas <= fit else fit - 1))


def _keeps_away(taint: TaintPlan) -> bool:
    return taint.key != CONTROL_PLANE_KEY and taint.effect != "PreferNoSchedule"


def _pod(image: str, config: pulumi.Input[str], spread: int) -> dict[str, object]:
    return {
        "service_account_name": NAME,
        "priority_class_name": "system-cluster-critical",
        "dns_policy": "Default",
        "tolerations": [
            {"key": CONTROL_PLANE_KEY, "effect": "NoSchedule"},
            # The default of five minutes is long for half of the DNS of a cluster.
            *(
                {"key": f"node.kubernetes.io/{state}", "effect": "NoExecute", "toleration_seconds": 30}
                for state in ("not-ready", "unreachable")
            ),
        ],
        "topology_spread_constraints": [
            {
                "max_skew": 1,
                "topology_key": "kubernetes.io/hostname",
                # Otherwise both pods would start on the node that is Ready first.
                "when_unsatisfiable": "DoNotSchedule",
                "min_domains": spread,
                # A node whose taints keep the pods away, or that is cordoned, does not count as a node without pods.
                "node_taints_policy": "Honor",
                "label_selector": {"match_labels": _LABELS},
            }
        ],
        "containers": [
            {
                "name": NAME,
                "image": image,
                "args": ["-conf", "/etc/coredns/Corefile"],
                "resources": {"limits": {"memory": "170Mi"}, "requests": {"cpu": "100m", "memory": "70Mi"}},
                "ports": [
                    {"name": "dns", "container_port": 53, "protocol": "UDP"},
                    {"name": "dns-tcp", "container_port": 53, "protocol": "TCP"},
                    {"name": "metrics", "container_port": 9153, "protocol": "TCP"},
                ],
                "liveness_probe": {
                    "http_get": {"path": "/health", "port": 8080},
                    "initial_delay_seconds": 60,
                    "timeout_seconds": 5,
                },
                "readiness_probe": {"http_get": {"path": "/ready", "port": 8181}, "period_seconds": 2},
                "security_context": {
                    "allow_privilege_escalation": False,
                    "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
                    "read_only_root_filesystem": True,
                },
                "volume_mounts": [{"name": "config", "mount_path": "/etc/coredns", "read_only": True}],
            }
        ],
        "volumes": [{"name": "config", "config_map": {"name": config}}],
    }
