"""A service that brings back rules of the cluster after something else has flushed nftables."""

from __future__ import annotations

from collections.abc import Sequence

from components.config import Page
from components.node.model import ROOT, NodeFile, NodePart, Remnant, Unit
from components.node.render.systemd import service
from components.node.scripts import text

SCRIPT = "cfg/nftables-guard.sh"
_UNIT = "nftables-guard.service"


def nftables_guard(page: Page, remnants: Sequence[Remnant], policies: tuple[str, str] | None = None) -> NodePart:
    """The service for a node with a kubelet. Empty if nothing of the page depends on tables of nftables.

    `remnants` has the tables of the network plugin. `policies` are the table of the program that enforces network
    policies, and the path of the rules with which a node begins; None if the page does not enforce network policies.
    """
    if page.network.proxy_mode != "nftables" and not policies:
        return NodePart()
    names = [remnant.name for remnant in remnants if remnant.kind == "nftables"]
    tables = [f"{family}:{name}" for name in names for family in ("ip", "ip6")]
    unit = service(
        description="Bring back rules of nftables that something else has flushed",
        documentation="https://www.netfilter.org/projects/nftables/manpage.html",
        command=[" ".join((f"/bin/sh {ROOT}/{SCRIPT}", *(policies or ("-", "-")), *tables))],
        # The first rules of a node are there before the service copies them.
        after=["network-policies.service"] if policies else [],
        lines=["RuntimeDirectory=nftables-guard"],
    )
    return NodePart(
        files=(NodeFile(SCRIPT, text("nftables_guard"), mode=0o755),),
        units=(Unit(_UNIT, unit, restart_on=(SCRIPT,), health=f"systemctl is-active --quiet {_UNIT}"),),
        commands=("nft",),
    )
