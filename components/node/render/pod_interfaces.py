"""Interfaces of pods and services, which the host's own network configuration must leave alone.

A configuration of systemd-networkd that matches by type, as in systemd.network(5) for all wired interfaces, matches
the interfaces of pods too: each gets the node's own address and a default route, and no pod reaches anything.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.node.model import ROOT, NodeFile, NodePart, Remnant, Unit

_CONTENT = "cfg/pods.network"
_INSTALLED = "/etc/systemd/network/00-kubernetes-pods.network"
"""The first file in the order of names that matches an interface decides about the interface."""
_OF_EVERY_PLUGIN = ("veth*", "kube-ipvs0")
"""Ends of pods' interfaces on the node, and the interface on which kube-proxy has the service addresses for IPVS."""


def pod_interfaces(remnants: Sequence[Remnant]) -> NodePart:
    """Tells systemd-networkd, if it runs, to leave interfaces alone: those in `remnants`, and those of every plugin.

    systemd-networkd reads the file before the first pod starts, and at every boot.
    """
    names = (*(remnant.name for remnant in remnants if remnant.kind == "interface"), *_OF_EVERY_PLUGIN)
    content = f"[Match]\nName={' '.join(names)}\n\n[Link]\nUnmanaged=yes\n"
    unit = f"""\
[Unit]
Description=Leave the interfaces of pods to Kubernetes
Before=containerd.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'cmp -s {ROOT}/{_CONTENT} {_INSTALLED} || {{ install -D -m 0644 {ROOT}/{_CONTENT} {_INSTALLED} \\
  && if systemctl is-active --quiet systemd-networkd.service; then networkctl reload; fi; }}'

[Install]
WantedBy=multi-user.target
"""
    health = f"cmp -s {ROOT}/{_CONTENT} {_INSTALLED}"
    return NodePart(
        files=(NodeFile(_CONTENT, content),),
        units=(Unit("kubernetes-pod-interfaces.service", unit, restart_on=(_CONTENT,), health=health),),
        remnants=(Remnant("directory", _INSTALLED),),
    )
