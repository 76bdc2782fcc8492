"""From the page and the topology to the wanted state of one node: which parts it is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from components.config import Page
from components.node.model import Part, merge
from components.node.render.containerd import container_runtime
from components.node.render.control_plane import api_server, controller_manager, scheduler
from components.node.render.etcd import etcd_member
from components.node.render.etcd_proxy import etcd_proxy
from components.node.render.haproxy import api_proxy
from components.node.render.kube_proxy import kube_proxy
from components.node.render.kubelet import kubelet
from components.node.render.maintenance import maintenance
from components.node.render.operating_system import kernel_settings, swap_off
from components.node.render.vip import virtual_address
from components.node.traits import Traits
from components.topology import NodePlan, Topology


@dataclass(frozen=True)
class Surroundings:
    """What a node's files say of the world around it: the pinned pause image, and registry host -> mirror URL."""

    pause_image: str
    registry_mirrors: Mapping[str, str]
    traits: Traits


def plan_node(page: Page, topology: Topology, node: NodePlan, around: Surroundings) -> Part:
    """Everything that has to be on a node, in the order in which its services start."""
    return merge(_parts(page, topology, node, around))


def _parts(page: Page, topology: Topology, node: NodePlan, around: Surroundings) -> Iterator[Part]:
    if node.is_etcd:
        yield etcd_member(page, topology, node)
    if node.runs_kubelet:
        yield kernel_settings(around.traits)
        if around.traits.swap_off:
            yield swap_off()
        yield api_proxy(topology, node)
    if node.is_control_plane:
        yield etcd_proxy(topology, node)
        yield api_server(page, topology, node)
        yield controller_manager(page, topology, node)
        yield scheduler(page, topology, node)
        yield maintenance(topology, node)
        if page.machines.virtual_address:
            yield virtual_address(page.machines.virtual_address, topology, node)
    if node.runs_kubelet:
        # For people on the machine, and for drain.sh.
        yield Part(artifacts=("kubectl",))
        yield container_runtime(around.pause_image, around.registry_mirrors, around.traits)
        yield kubelet(page, topology, node, around.traits)
        yield kube_proxy(page, topology, node, around.traits)
