"""haproxy in front of the API servers: on every node, and with the same text as a load balancer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from components.config import Page
from components.config.rollout import ANSWER
from components.node.model import ROOT, NodeFile, NodePart, Ref, Unit
from components.node.render.systemd import service
from components.pki.names import certification_path, trust_bundle
from components.topology import NodePlan, Topology

CONFIG = f"{ROOT}/cfg/haproxy.cfg"
OWN_SERVER = "/run/kubernetes-api-proxy.sock"
"""Where the proxy of a control-plane node answers with 200 while it uses the node's own API server."""
_BACKEND = "kubernetes-api"
# `inter` also limits the TLS handshake of a check. On a busy host the handshake takes most of a second: with a shorter
# interval, or with `fall 1`, all servers are down at the same time. A server whose check fails is down after 2.5 s.
_CHECKS = "inter 2s fastinter 500ms downinter 500ms fall 2 rise 2"
_CONNECT_SECONDS = 2

KEEP_ALIVE = ("  option srvtcpka", "  srvtcpka-idle 5s", "  srvtcpka-intvl 2s", "  srvtcpka-cnt 3")
"""Keep-alives (and `tcp-ut` for unacknowledged data) detect a server that disappears without closing connections."""


def preamble(check_seconds: int, answer: timedelta = ANSWER) -> tuple[str, ...]:
    """The sections global and defaults of every proxy on a node; `check_seconds` limits the answer to a check.

    `answer` is the limit of the page for answers. If it is longer, then connections and checks have as long.
    """
    seconds = int(answer.total_seconds())
    return (
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
        # If a server refuses a connection, another server gets it at once. That needs two servers that are up.
        "  option redispatch 1",
        "  retries 3",
        f"  timeout connect {max(_CONNECT_SECONDS, seconds)}s",
        # Watches are silent for long. The API server ends its watches within ten minutes; etcd's client sends a
        # keep-alive every 30 s.
        "  timeout client 15m",
        "  timeout server 15m",
        f"  timeout check {max(check_seconds, seconds)}s",
        "",
    )


def proxy_service(description: str, config: str) -> str:
    """The unit of a haproxy with the configuration file `config`; a reload keeps every connection."""
    return service(
        description=description,
        documentation="https://docs.haproxy.org/",
        command=[f"/usr/sbin/haproxy -Ws -f {config}"],
        lines=[
            "Type=notify",
            f"ExecReload=/usr/sbin/haproxy -Ws -f {config} -c -q",
            "ExecReload=/bin/kill -USR2 $MAINPID",
        ],
    )


def patient_checks(checks: str, answer: timedelta) -> str:
    """The intervals of checks, as long as the limit of the page for answers if that is longer than usual.

    A handshake that the interval cuts off is begun again at once: on a slow machine no check would ever succeed, and
    the handshakes would keep the server from its work. In return, requests go to a server that stops for as long.
    """
    if answer <= ANSWER:
        return checks
    return re.sub(r"(inter) \d+m?s", rf"\1 {int(answer.total_seconds())}s", checks)


def haproxy_config(
    bind: str, servers: Mapping[str, str], checked: str, own: str | None = None, answer: timedelta = ANSWER
) -> str:
    """TCP pass-through from `bind` (address:port) to the servers (name -> address:port).

    A server gets connections while its /readyz answers with 200. An API server that shuts down first answers with an
    error there and continues to serve for a while (`--shutdown-delay-duration`), so the checks have to be faster than
    that. `checked` says how the checks verify the certificate: `none`, or `required ca-file PATH`.

    If `own` is given, then all connections go to that server while it is ready, and to all other servers while it is
    not ready. If `own` is not given, then connections go to all servers. `answer` is the limit of the page for answers.
    """
    lines = [
        *preamble(check_seconds=3, answer=answer),
        f"listen {_BACKEND}",
        f"  bind {bind}",
        "  balance leastconn",
        *(("  option allbackups",) if own else ()),
        "  option httpchk GET /readyz",
        "  http-check expect status 200",
        # A server that is not ready keeps its connections: it may be shutting down, and then it still answers on them.
        *KEEP_ALIVE,
        f"  default-server check check-ssl verify {checked} {patient_checks(_CHECKS, answer)} tcp-ut 10s",
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


def api_proxy(page: Page, topology: Topology, node: NodePlan) -> NodePart:
    """The node-local proxy: no program on a node depends on one API server.

    On a control-plane node the proxy prefers the API server of the node: controller-manager, scheduler, kubelet and
    kube-proxy may not be newer than their API server (https://kubernetes.io/releases/version-skew-policy/), and during
    an upgrade the API server of the node has the same version. kubeadm does the same (ControlPlaneKubeletLocalMode).
    """
    verified = kubernetes_ca_path(page)
    config = haproxy_config(
        f"127.0.0.1:{topology.node_local_port}",
        api_servers(topology),
        f"required ca-file {ROOT}/{verified.path}",
        own=node.name if node.is_control_plane else None,
        answer=page.rollout.answer_timeout,
    )
    unit = proxy_service("Node-local proxy to the Kubernetes API servers", CONFIG)
    return NodePart(
        files=(NodeFile("cfg/haproxy.cfg", config), verified),
        units=(
            Unit(
                "kubernetes-api-proxy.service",
                unit,
                reload_on=("cfg/haproxy.cfg", verified.path),
                health="systemctl is-active --quiet kubernetes-api-proxy.service",
            ),
        ),
        commands=("haproxy",),
    )


def kubernetes_ca() -> NodeFile:
    """The trust bundle of the cluster's own authority: every client of the API on the node trusts it."""
    return NodeFile("ssl/kubernetes-ca.pem", Ref(trust_bundle("kubernetes")))


def kubernetes_ca_path(page: Page) -> NodeFile:
    """What verifies servers of the API with OpenSSL, which needs a path up to a root; haproxy does.

    That is the trust bundle, unless the page gives an intermediate authority.
    """
    if not page.authorities.kubernetes:
        return kubernetes_ca()
    return NodeFile("ssl/kubernetes-ca-path.pem", Ref(certification_path("kubernetes")))
