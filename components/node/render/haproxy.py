"""haproxy before the API servers: node-local on every node, and the same text for a load balancer in front."""

from __future__ import annotations

from collections.abc import Mapping

from components.node.model import ROOT, NodeFile, Part, Ref, Unit
from components.node.render.systemd import service
from components.topology import NodePlan, Topology

CONFIG = f"{ROOT}/cfg/haproxy.cfg"
OWN_SERVER = "/run/kubernetes-api-proxy.sock"
"""Where the proxy of a control-plane node answers with 200 while it uses the node's own API server."""
_BACKEND = "kubernetes-api"
# `inter` also limits the TLS handshake of a check. On a host that is short of processors that takes most of a second;
# with less time, or a single failure being enough, all servers are down at once. One that says no is left after 2.5 s.
_CHECKS = "inter 2s fastinter 500ms downinter 500ms fall 2 rise 2"


def haproxy_config(bind: str, servers: Mapping[str, str], checked: str, own: str | None = None) -> str:
    """TCP pass-through from `bind` (address:port) to the servers (name -> address:port).

    A server gets connections while its /readyz says yes; an API server that is shutting down says no first
    and serves on for a while (`--shutdown-delay-duration`), so the checks have to be faster than that.
    `checked` says how the certificate is verified by the checks: `none`, or `required ca-file PATH`.

    Connections go to the server `own` alone while that one is ready, and over all others when it is not; without it,
    over all.
    """
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
        "  option redispatch 1",
        "  retries 3",
        "  timeout connect 2s",
        # Watches stay silent for long; the API server ends them itself within ten minutes.
        "  timeout client 15m",
        "  timeout server 15m",
        "  timeout check 3s",
        "",
        f"listen {_BACKEND}",
        f"  bind {bind}",
        "  balance leastconn",
        *(("  option allbackups",) if own else ()),
        "  option httpchk GET /readyz",
        "  http-check expect status 200",
        # A server that is not ready keeps the connections it has: it may be shutting down, and then answers them to
        # the end. One that is gone without a word is noticed by keep-alives and unacknowledged data.
        "  option srvtcpka",
        "  srvtcpka-idle 5s",
        "  srvtcpka-intvl 2s",
        "  srvtcpka-cnt 3",
        f"  default-server check check-ssl verify {checked} {_CHECKS} tcp-ut 10s",
        *(
            f"  server {name} {address}{' backup' if own not in (None, name) else ''}"
            for name, address in servers.items()
        ),
        "",
    ]
    if own:
        lines += [
            "frontend own-api-server",
            f"  bind unix@{OWN_SERVER} mode 600",
            "  mode http",
            "  http-request set-log-level silent",
            f"  http-request return status 200 if {{ srv_is_up({_BACKEND}/{own}) }}",
            "  http-request return status 503",
            "",
        ]
    return "\n".join(lines)


def api_servers(topology: Topology) -> dict[str, str]:
    """Every API server of the cluster, name -> address:port."""
    return {node.name: f"{node.address}:{topology.api_port}" for node in topology.control_plane_nodes}


def api_proxy(topology: Topology, node: NodePlan) -> Part:
    """The node-local proxy, so that nothing on a node depends on one API server.

    On a control-plane node it prefers the node's own one: controller-manager, scheduler, kubelet and kube-proxy may not
    be newer than the API server they talk to (https://kubernetes.io/releases/version-skew-policy/), and in an upgrade
    the own one is as new as they are. kubeadm does the same (ControlPlaneKubeletLocalMode).
    """
    config = haproxy_config(
        f"127.0.0.1:{topology.node_local_port}",
        api_servers(topology),
        f"required ca-file {ROOT}/ssl/kubernetes-ca.pem",
        own=node.name if node.is_control_plane else None,
    )
    unit = service(
        description="Node-local proxy to the Kubernetes API servers",
        documentation="https://docs.haproxy.org/",
        command=[f"/usr/sbin/haproxy -Ws -f {CONFIG}"],
        lines=[
            "Type=notify",
            f"ExecReload=/usr/sbin/haproxy -Ws -f {CONFIG} -c -q",
            "ExecReload=/bin/kill -USR2 $MAINPID",
        ],
    )
    return Part(
        files=(NodeFile("cfg/haproxy.cfg", config), kubernetes_ca()),
        units=(
            Unit(
                "kubernetes-api-proxy.service",
                unit,
                reload_on=("cfg/haproxy.cfg", "ssl/kubernetes-ca.pem"),
                health="systemctl is-active --quiet kubernetes-api-proxy.service",
            ),
        ),
        commands=("haproxy",),
    )


def kubernetes_ca() -> NodeFile:
    """The certificate of the cluster's own authority, which every client of the API on the node trusts."""
    return NodeFile("ssl/kubernetes-ca.pem", Ref("kubernetes-ca:cert"))
