"""Network policies in the cluster: kube-network-policies on every node, with its rights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

from components.config.network import POLICY_ENGINE
from components.config.ports import POLICY_METRICS
from components.network_plugins.daemons import make_account, make_daemons
from components.network_policies.names import CHAIN, QUEUE, TABLE
from components.object_options import child_of

NAME = POLICY_ENGINE
RIGHTS = (
    {"api_groups": [""], "resources": ["pods", "namespaces"], "verbs": ["list", "watch"]},
    {"api_groups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": ["list", "watch"]},
)
"""The rules of the program's ClusterRole."""
_ASK = ["nft", "list", "chain", "inet", TABLE, CHAIN]


@dataclass(frozen=True)
class NetworkPoliciesArgs:
    """The pinned image of the program, and images with `nft` by architecture of the node.

    `node_local_port` is the port on 127.0.0.1 where every node reaches the API. `annotations` are those of pods that
    use the API.
    """

    image: str
    nft_images: Mapping[str, str]
    node_local_port: int
    annotations: Mapping[str, str] = field(default_factory=dict)


class NetworkPolicies(pulumi.ComponentResource):
    """kube-network-policies as a DaemonSet. When `daemons` are done, every node enforces network policies.

    Each architecture has a DaemonSet of its own if their images with `nft` differ.
    """

    daemons: Sequence[pulumi.Resource]

    def __init__(self, name: str, args: NetworkPoliciesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hardway:addons:NetworkPolicies", name, {}, opts)
        child = child_of(self, opts)
        # The program writes firewall rules of the node.
        account = make_account(name, NAME, NAME, RIGHTS, child)
        self.daemons = make_daemons(
            name,
            account.metadata,
            args.nft_images,
            args.annotations,
            lambda nft_image: _pod(args, nft_image),
            pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[account.binding])),
        )
        self.register_outputs({})


def _pod(args: NetworkPoliciesArgs, nft_image: str) -> dict[str, object]:
    # Upstream's manifest is privileged and lets the program into the runtime (NRI), where it could change every
    # container of the node. The rules of netfilter need this one capability.
    secure = {
        "allow_privilege_escalation": False,
        "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
        "read_only_root_filesystem": True,
    }
    program = {
        "name": NAME,
        "image": args.image,
        "command": ["/bin/netpol"],
        # Without --fail-open: record 80.
        "args": [
            "--hostname-override=$(NODE_NAME)",
            f"--nfqueue-id={QUEUE}",
            f"--metrics-bind-address=127.0.0.1:{POLICY_METRICS}",
        ],
        "env": [
            {"name": "NODE_NAME", "value_from": {"field_ref": {"field_path": "spec.nodeName"}}},
            # Through the node-local proxy: the service address works only after kube-proxy has started.
            {"name": "KUBERNETES_SERVICE_HOST", "value": "127.0.0.1"},
            {"name": "KUBERNETES_SERVICE_PORT", "value": str(args.node_local_port)},
        ],
        "resources": {"requests": {"cpu": "50m", "memory": "50Mi"}},
        "security_context": secure,
    }
    # The program's image has nothing that could ask the kernel. The program removes its rules if it cannot read its
    # queue, and a program that has ended is not ready: so its chain and a running program mean that it enforces.
    watch = {
        "name": "enforces",
        "image": nft_image,
        # Runs for ever, and its log tells who deletes tables of the firewall.
        "command": ["nft", "monitor", "destroy", "tables"],
        "startup_probe": {"exec": {"command": _ASK}, "period_seconds": 1, "failure_threshold": 120},
        "readiness_probe": {"exec": {"command": _ASK}, "period_seconds": 10, "failure_threshold": 1},
        # `nft` holds the whole ruleset: 3 kB for each chain of kube-proxy.
        "resources": {"requests": {"cpu": "10m", "memory": "10Mi"}, "limits": {"memory": "200Mi"}},
        "security_context": secure,
    }
    return {
        "host_network": True,
        # Neither program does anything at its end. `nft` ignores the signal, and new connections wait for the next pod.
        "termination_grace_period_seconds": 1,
        "priority_class_name": "system-node-critical",
        "service_account_name": NAME,
        "tolerations": [{"operator": "Exists"}],
        "containers": [program, watch],
    }
