"""Network policies on a node: no pod connects before the program that enforces policies has its rules."""

from __future__ import annotations

from components.network_policies.names import QUEUE, TABLE
from components.node.model import ROOT, NodeFile, NodePart, Unit
from components.node.scripts import text
from components.node.traits import Traits

MODULES = ("nfnetlink_queue", "nft_queue")
"""Kernel modules with which the rules of kube-network-policies hand packets to the program."""
SCRIPT = "cfg/network-policies.sh"
RULES = "cfg/network-policies.nft"
GUARDED = (TABLE, str(QUEUE), f"{ROOT}/{RULES}")
"""What a node needs to bring flushed rules back: the table, the queue, and the rules with which a node begins."""
_UNIT = "network-policies.service"


def policies_part(pod_cidr: str, traits: Traits) -> NodePart:
    """What every node with a kubelet has; `pod_cidr` is the network of all pods."""
    modules = "" if traits.container else f"ExecStart=/sbin/modprobe -a {' '.join(MODULES)}\n"
    unit = f"""\
[Unit]
Description=Refuse connections of pods until network policies are enforced
# What flushes all rules at its start comes first.
After=nftables.service firewalld.service ufw.service
Before=kubelet.service

[Service]
Type=oneshot
RemainAfterExit=yes
{modules}ExecStart=/bin/sh {ROOT}/{SCRIPT} begin {TABLE} {ROOT}/{RULES}
ExecStop=/bin/sh {ROOT}/{SCRIPT} end {TABLE} {QUEUE}

[Install]
WantedBy=multi-user.target
"""
    return NodePart(
        files=(NodeFile(SCRIPT, text("network_policies"), mode=0o755), NodeFile(RULES, rules(pod_cidr))),
        units=(Unit(_UNIT, unit),),
        commands=("nft", *(() if traits.container else ("modprobe",))),
    )


def rules(pod_cidr: str) -> str:
    """The table with which a node starts. kube-network-policies replaces the whole table in one transaction.

    The hook forward does not see connections of the node itself, such as probes of the kubelet.
    """
    return f"""\
table inet {TABLE} {{
    chain not-enforced-yet {{
        type filter hook forward priority filter - 5; policy accept;
        ct state established,related accept
        ip saddr {pod_cidr} drop
        ip daddr {pod_cidr} drop
    }}
}}
"""
