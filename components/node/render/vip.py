"""A virtual address for the API: haproxy on every control-plane node; keepalived decides which node has it."""

from __future__ import annotations

from components.config import Page
from components.config.machines import Vip
from components.node.model import ROOT, NodeFile, NodePart, Unit
from components.node.render.haproxy import api_servers, haproxy_config, kubernetes_ca, kubernetes_ca_path, proxy_service
from components.node.render.probe import CURL
from components.node.render.systemd import service
from components.topology import NodePlan, Topology

PROXY_CONFIG = f"{ROOT}/cfg/vip-haproxy.cfg"
KEEPALIVED_CONFIG = f"{ROOT}/cfg/keepalived.conf"
CHECK = f"{ROOT}/cfg/vip-check.sh"
INTERFACE = "@VIP_INTERFACE@"
"""A placeholder for the interface with the node's own address, because only the machine knows the interface."""


def virtual_address(page: Page, vip: Vip, topology: Topology, node: NodePlan) -> NodePart:
    """The proxy and the keepalived of one control-plane node.

    If the holder of the address disappears, then the address moves within two seconds; if the holder stops in order,
    then it moves at once. When the first holder is back, the address does not move again.
    """
    ca, verified = f"{ROOT}/{kubernetes_ca().path}", kubernetes_ca_path(page)
    proxy = proxy_service("Proxy at the virtual address of the Kubernetes API", PROXY_CONFIG)
    keepalived = service(
        description="Virtual address of the Kubernetes API",
        documentation="https://keepalived.org/manpage.html",
        # Only VRRP: the load balancer of keepalived needs a kernel module.
        command=[f"/usr/sbin/keepalived --dont-fork --log-console --vrrp --use-file={KEEPALIVED_CONFIG}"],
        after=["kubernetes-vip-proxy.service"],
        wants=["kubernetes-vip-proxy.service"],
        lines=["KillMode=mixed", "ExecReload=/bin/kill -HUP $MAINPID"],
    )
    return NodePart(
        files=(
            NodeFile(
                "cfg/vip-haproxy.cfg",
                haproxy_config(
                    f"*:{vip.port}",
                    api_servers(topology),
                    f"required ca-file {ROOT}/{verified.path}",
                    answer=page.rollout.answer_timeout,
                ),
            ),
            NodeFile("cfg/keepalived.conf", keepalived_config(vip, topology, node)),
            NodeFile("cfg/vip-check.sh", _check(vip, ca), mode=0o755),
            kubernetes_ca(),
            *(() if verified == kubernetes_ca() else (verified,)),
        ),
        units=(
            Unit(
                "kubernetes-vip-proxy.service",
                proxy,
                reload_on=("cfg/vip-haproxy.cfg", verified.path),
                health="systemctl is-active --quiet kubernetes-vip-proxy.service",
            ),
            Unit(
                "kubernetes-vip.service",
                keepalived,
                reload_on=("cfg/keepalived.conf",),
                health="systemctl is-active --quiet kubernetes-vip.service",
            ),
        ),
        commands=("haproxy", "keepalived", "curl", "ip"),
    )


def keepalived_config(vip: Vip, topology: Topology, node: NodePlan) -> str:
    """https://keepalived.org/manpage.html; unicast, since many networks do not carry VRRP's multicast.

    If no node has the address yet, then nodes that are earlier on the page are preferred.
    """
    nodes = topology.control_plane_nodes
    priority = 200 - [other.name for other in nodes].index(node.name)
    peers = "".join(f"        {other.address}\n" for other in nodes if other.name != node.name)
    unicast = f"    unicast_peer {{\n{peers}    }}\n" if peers else ""
    interface = vip.interface or INTERFACE
    return f"""\
global_defs {{
    router_id {node.name}
    vrrp_version 3
    enable_script_security
    script_user nobody
    max_auto_priority 0
}}

vrrp_script api {{
    script "{CHECK}"
    interval 1
    timeout 2
    fall 2
    rise 2
}}

vrrp_instance kubernetes {{
    state BACKUP
    nopreempt
    interface {interface}
    virtual_router_id {vip.router_id}
    priority {priority}
    advert_int 0.5
    unicast_src_ip {node.address}
{unicast}    virtual_ipaddress {{
        {vip.address}/32 dev {interface}
    }}
    track_script {{
        api
    }}
}}
"""


def _check(vip: Vip, ca: str) -> str:
    """A node gives the address up if its proxy reaches no API server that is ready."""
    return f"""\
#!/bin/sh
exec {CURL} --cacert {ca} --output /dev/null https://127.0.0.1:{vip.port}/readyz
"""
