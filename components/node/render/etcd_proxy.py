"""haproxy between an API server and the members of etcd: the members change without a restart of the API server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from components.config import Page
from components.config.ports import ETCD_CLIENT, ETCD_HTTP, ETCD_PROXY
from components.node.model import ROOT, NodeFile, NodePart, Ref, Unit
from components.node.render.haproxy import KEEP_ALIVE, patient_checks, preamble, proxy_service
from components.pki.names import certificate_of, certification_path, key_of, trust_bundle
from components.topology import NodePlan, Topology

URL = f"https://127.0.0.1:{ETCD_PROXY}"
"""Where the API server of a node reaches etcd."""
UNIT = "etcd-proxy.service"
CONFIG = "cfg/etcd-proxy.cfg"
SSL = "ssl/etcd-proxy"
_CHECKS = "inter 2s downinter 1s fall 2 rise 1"


def etcd_proxy(page: Page, topology: Topology, node: NodePlan) -> NodePart:
    """The proxy of this control-plane node. It passes TLS through, and has a client certificate only for its checks.

    kube-apiserver reads `--etcd-servers` only at its start, and sends requests also to members that do not vote yet.
    The proxy sends requests to a new member as soon as the member is ready (it votes and sees a majority), and none to
    a removed member. A change of the members reloads the proxy, and a reload keeps every connection.
    """
    unit = proxy_service("Node-local proxy to the members of etcd", f"{ROOT}/{CONFIG}")
    leaf = f"{node.name}-apiserver-etcd-client"
    # haproxy needs a path up to a root, as in haproxy.py.
    verified = certification_path("etcd") if page.authorities.etcd else trust_bundle("etcd")
    files = (
        NodeFile(CONFIG, _config(preferred(topology, node), page.rollout.answer_timeout)),
        NodeFile(f"{SSL}/ca.pem", Ref(verified)),
        NodeFile(f"{SSL}/client.pem", Ref(certificate_of(leaf))),
        # haproxy reads the key of FILE from FILE.key, both as root, also at a reload.
        NodeFile(f"{SSL}/client.pem.key", Ref(key_of(leaf)), mode=0o600),
    )
    return NodePart(
        files=files,
        units=(
            Unit(
                UNIT,
                unit,
                reload_on=tuple(file.path for file in files),
                health=f"systemctl is-active --quiet {UNIT}",
            ),
        ),
        commands=("haproxy",),
    )


def preferred(topology: Topology, node: NodePlan) -> tuple[NodePlan, ...]:
    """The members in the order in which `node` uses them: its own first; other nodes start at different members."""
    members = topology.etcd_nodes
    first = members.index(node) if node in members else topology.control_plane_nodes.index(node) % len(members)
    return members[first:] + members[:first]


def _config(members: Sequence[NodePlan], answer: timedelta) -> str:
    at = f"{ROOT}/{SSL}"
    lines = [
        *preamble(check_seconds=2, answer=answer),
        "listen etcd",
        f"  bind 127.0.0.1:{ETCD_PROXY}",
        # `first` is the first member that is up. The others are no `backup` servers, because haproxy redispatches only
        # to servers of the same kind.
        "  balance first",
        "  option httpchk GET /readyz",
        "  http-check expect status 200",
        *KEEP_ALIVE,
        f"  default-server check port {ETCD_HTTP} check-ssl verify required ca-file {at}/ca.pem crt {at}/client.pem "
        # As for API servers, the interval limits a check. A member that refuses a connection is down at once.
        f"{patient_checks(_CHECKS, answer)} observe layer4 error-limit 1 on-error mark-down tcp-ut 10s",
        *(f"  server {member.name} {member.address}:{ETCD_CLIENT}" for member in members),
        "",
    ]
    return "\n".join(lines)
