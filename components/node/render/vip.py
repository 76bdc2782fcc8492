"""A virtual address before the API servers: haproxy on every control-plane node, keepalived says which one has it."""

from __future__ import annotations

from components.config.machines import Vip
from components.node.model import ROOT, NodeFile, Part, Unit
from components.node.render.haproxy import api_servers, haproxy_config, kubernetes_ca
from components.node.render.systemd import service
from components.topology import NodePlan, Topology

PROXY_CONFIG = f"{ROOT}/cfg/vip-haproxy.cfg"
KEEPALIVED_CONFIG = f"{ROOT}/cfg/keepalived.conf"
CHECK = f"{ROOT}/cfg/vip-check.sh"
INTERFACE = "@VIP_INTERFACE@"
"""Stands for the interface with the node's own address, which only the machine itself knows."""


def virtual_address(vip: Vip, topology: Topology, node: NodePlan) -> Part:
    """The proxy and the keepalived of one control-plane node.

    The address moves within two seconds when its holder is gone, at once when it stops in order, and stays where it
    then is: coming back is no reason to move it again.
    """
    ca = f"{ROOT}/ssl/kubernetes-ca.pem"
    proxy = service(
        description="Proxy at the virtual address of the Kubernetes API",
        documentation="https://docs.haproxy.org/",
        command=[f"/usr/sbin/haproxy -Ws -f {PROXY_CONFIG}"],
        lines=[
            "Type=notify",
            f"ExecReload=/usr/sbin/haproxy -Ws -f {PROXY_CONFIG} -c -q",
            "ExecReload=/bin/kill -USR2 $MAINPID",
        ],
    )
    keepalived = service(
        description="Virtual address of the Kubernetes API",
        documentation="https://keepalived.org/manpage.html",
        # VRRP alone: the part that balances load wants a kernel module.
        command=[f"/usr/sbin/keepalived --dont-fork --log-console --vrrp --use-file={KEEPALIVED_CONFIG}"],
        after=["kubernetes-vip-proxy.service"],
        wants=["kubernetes-vip-proxy.service"],
        lines=["KillMode=mixed", "ExecReload=/bin/kill -HUP $MAINPID"],
    )
    return Part(
        files=(
            NodeFile(
                "cfg/vip-haproxy.cfg",
                haproxy_config(f"*:{vip.port}", api_servers(topology), f"required ca-file {ca}"),
            ),
            NodeFile("cfg/keepalived.conf", keepalived_config(vip, topology, node)),
            NodeFile("cfg/vip-check.sh", _check(vip, ca), mode=0o755),
            kubernetes_ca(),
        ),
        units=(
            Unit(
                "kubernetes-vip-proxy.service",
                proxy,
                reload_on=("cfg/vip-haproxy.cfg", "ssl/kubernetes-ca.pem"),
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

    Nodes earlier on the page are preferred where nobody has the address yet.
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
    """A node whose proxy leads to no API server that is ready gives the address away."""
    return f"""\
#!/bin/sh
exec curl -fs --max-time 2 --cacert {ca} --output /dev/null https://127.0.0.1:{vip.port}/readyz
"""
