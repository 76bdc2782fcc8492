"""A service that brings back rules of the cluster after something else has flushed nftables."""

from __future__ import annotations

from collections.abc import Sequence

from components.config import Page
from components.node.model import ROOT, NodeFile, NodePart, Remnant, Unit
from components.node.scripts import text

SCRIPT = "cfg/nftables-guard.sh"
_UNIT = "nftables-guard.service"


def nftables_guard(page: Page, remnants: Sequence[Remnant], policies: tuple[str, str, str] | None = None) -> NodePart:
    """The service for a node with a kubelet. Empty if nothing of the page depends on tables of nftables.

    `remnants` has the tables of the network plugin. `policies` are the table of the program that enforces network
    policies, the queue that the program reads, and the path of the rules with which a node begins; None if the page
    does not enforce network policies.
    """
    if page.network.proxy_mode != "nftables" and not policies:
        return NodePart()
    names = [remnant.name for remnant in remnants if remnant.kind == "nftables"]
    tables = [f"{family}:{name}" for name in names for family in ("ip", "ip6")]
    # What flushes all rules at its start comes first, and the first rules of a node are there before the first look.
    # Not after network-online.target, which may take minutes.
    unit = f"""\
[Unit]
Description=Bring back rules of nftables that something else has flushed
After=nftables.service firewalld.service ufw.service network-policies.service
Before=kubelet.service
StartLimitIntervalSec=0

[Service]
ExecStart={" ".join((f"/bin/sh {ROOT}/{SCRIPT}", *(policies or ("-", "-", "-")), *tables))}
Restart=always
RestartSec=1
RuntimeDirectory=nftables-guard
RuntimeDirectoryPreserve=restart

[Install]
WantedBy=multi-user.target
"""
    return NodePart(
        files=(NodeFile(SCRIPT, text("nftables_guard"), mode=0o755),),
        units=(Unit(_UNIT, unit, restart_on=(SCRIPT,), health=f"systemctl is-active --quiet {_UNIT}"),),
        commands=("nft",),
    )
