"""Kernel modules and settings that pods need.

https://kubernetes.io/docs/setup/production-environment/container-runtimes/
"""

from __future__ import annotations

from components.node.model import ROOT, NodeFile, NodePart, Unit
from components.node.render.kubelet_on_machine import SYSCTLS
from components.node.traits import Traits

MODULES = ("overlay", "br_netfilter")

OF_THE_NETWORK = {
    "net.ipv4.ip_forward": "1",
    "net.bridge.bridge-nf-call-iptables": "1",
}
OF_THE_KERNEL = {
    # Every kubelet and every container watches files. The kernel's default limits are too low.
    "fs.inotify.max_user_instances": "8192",
    "fs.inotify.max_user_watches": "524288",
    **SYSCTLS,
}


def swap_off() -> NodePart:
    """Swap is turned off at every boot before the kubelet starts; /etc/fstab is not changed."""
    unit = """\
[Unit]
Description=No swap on a Kubernetes node
After=swap.target
Before=kubelet.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/sbin/swapoff --all

[Install]
WantedBy=multi-user.target
"""
    health = 'test "$(wc -l </proc/swaps)" -le 1'
    return NodePart(units=(Unit("kubernetes-swap-off.service", unit, health=health),), commands=("swapoff",))


def settings_of(traits: Traits) -> dict[str, str]:
    """The sysctls by name. A container sets only those of its network namespace; the others belong to its host."""
    return OF_THE_NETWORK if traits.container else OF_THE_NETWORK | OF_THE_KERNEL


def kernel_settings(traits: Traits) -> NodePart:
    """Modules and sysctls, set when a release starts and at every boot."""
    settings = settings_of(traits)
    modules = "" if traits.container else f"ExecStart=/sbin/modprobe -a {' '.join(MODULES)}\n"
    unit = f"""\
[Unit]
Description=Kernel modules and settings for Kubernetes
Before=containerd.service

[Service]
Type=oneshot
RemainAfterExit=yes
{modules}ExecStart=/usr/lib/systemd/systemd-sysctl {ROOT}/cfg/sysctl.conf

[Install]
WantedBy=multi-user.target
"""
    return NodePart(
        files=(NodeFile("cfg/sysctl.conf", "".join(f"{name} = {value}\n" for name, value in settings.items())),),
        units=(Unit("kubernetes-kernel.service", unit, restart_on=("cfg/sysctl.conf",)),),
        commands=() if traits.container else ("modprobe",),
    )
