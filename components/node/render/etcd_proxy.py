"""haproxy between an API server and the members of etcd: who is a member changes without a restart of the server."""

from __future__ import annotations

from collections.abc import Sequence

from components.config.ports import ETCD_CLIENT, ETCD_HTTP, ETCD_PROXY
from components.node.model import ROOT, NodeFile, Part, Ref, Unit
from components.node.render.systemd import service
from components.topology import NodePlan, Topology

URL = f"https://127.0.0.1:{ETCD_PROXY}"
"""Where the API server of a node reaches etcd."""
UNIT = "etcd-proxy.service"
CONFIG = "cfg/etcd-proxy.cfg"
SSL = "ssl/etcd-proxy"


def etcd_proxy(topology: Topology, node: NodePlan) -> Part:
    """The proxy of this control-plane node. TLS passes through it; only its checks are its own.

    kube-apiserver reads `--etcd-servers` when it starts and never again, and asks a member that does not vote yet as if
    it did. Behind the proxy a new member is asked once it is ready (it votes, and sees a majority), and a leaving one
    no more, by a reload that keeps every connection.
    """
    unit = service(
        description="Node-local proxy to the members of etcd",
        documentation="https://docs.haproxy.org/",
        command=[f"/usr/sbin/haproxy -Ws -f {ROOT}/{CONFIG}"],
        lines=[
            "Type=notify",
            f"ExecReload=/usr/sbin/haproxy -Ws -f {ROOT}/{CONFIG} -c -q",
            "ExecReload=/bin/kill -USR2 $MAINPID",
        ],
    )
    leaf = f"{node.name}-apiserver-etcd-client"
    files = (
        NodeFile(CONFIG, _config(preferred(topology, node))),
        NodeFile(f"{SSL}/ca.pem", Ref("etcd-ca:cert")),
        NodeFile(f"{SSL}/client.pem", Ref(f"{leaf}:cert")),
        # haproxy looks for the key of FILE in FILE.key. It reads both as root, also when it is reloaded.
        NodeFile(f"{SSL}/client.pem.key", Ref(f"{leaf}:key"), mode=0o600),
    )
    return Part(
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
    """The members in the order in which `node` asks them: its own first, else each control-plane node another one."""
    members = topology.etcd_nodes
    first = members.index(node) if node in members else topology.control_plane_nodes.index(node) % len(members)
    return members[first:] + members[:first]


def _config(members: Sequence[NodePlan]) -> str:
    at = f"{ROOT}/{SSL}"
    lines = [
        "global",
        "  log stdout format short daemon",
        "  user haproxy",
        "  group haproxy",
        "  maxconn 8192",
        "",
        "defaults",
        "  mode tcp",
        "  log global",
        "  option tcplog",
        "  option dontlognull",
        # A connection that is refused is tried at another member at once: that takes two that are up, and no backups.
        "  option redispatch 1",
        "  retries 3",
        "  timeout connect 2s",
        # Watches stay silent for long, but their client asks every 30 s whether somebody is there.
        "  timeout client 15m",
        "  timeout server 15m",
        "  timeout check 2s",
        "",
        "listen etcd",
        f"  bind 127.0.0.1:{ETCD_PROXY}",
        # The first that is up.
        "  balance first",
        "  option httpchk GET /readyz",
        "  http-check expect status 200",
        "  option srvtcpka",
        "  srvtcpka-idle 5s",
        "  srvtcpka-intvl 2s",
        "  srvtcpka-cnt 3",
        f"  default-server check port {ETCD_HTTP} check-ssl verify required ca-file {at}/ca.pem crt {at}/client.pem "
        # As for API servers (haproxy.py), a check takes no longer than its interval. One that refuses is left at once.
        "inter 2s downinter 1s fall 2 rise 1 observe layer4 error-limit 1 on-error mark-down tcp-ut 10s",
        *(f"  server {member.name} {member.address}:{ETCD_CLIENT}" for member in members),
        "",
    ]
    return "\n".join(lines)
