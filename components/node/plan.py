"""From the page and the topology to the wanted state of one node: the parts of the node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from components.config import Page
from components.network_plugins.choice import plugin_of
from components.network_policies.node import GUARDED, policies_part
from components.node.generations import generations_file
from components.node.identity import identity
from components.node.model import NodePart, merge
from components.node.render.backup import backup_part
from components.node.render.containerd import container_runtime
from components.node.render.control_plane import api_server, controller_manager, scheduler
from components.node.render.etcd import etcd_member
from components.node.render.etcd_proxy import etcd_proxy
from components.node.render.haproxy import api_proxy
from components.node.render.kube_proxy import kube_proxy
from components.node.render.kubelet import kubelet
from components.node.render.maintenance import maintenance
from components.node.render.mirror_authorities import authorities_file
from components.node.render.nftables_guard import nftables_guard
from components.node.render.operating_system import kernel_settings, swap_off
from components.node.render.pod_interfaces import pod_interfaces
from components.node.render.probe import patient
from components.node.render.proxy import proxy_file
from components.node.render.restore import with_restore
from components.node.render.vip import virtual_address
from components.node.traits import Traits
from components.topology import NodePlan, Topology


@dataclass(frozen=True)
class NodeEnvironment:
    """What files of a node depend on besides the page: the pinned pause image, mirror URLs by registry, traits.

    `pause_images` has the image for each architecture of the page. `closed_mirrors` are the URLs of mirrors that nodes
    reach without leaving the host (local machines).
    """

    pause_images: Mapping[str, str]
    registry_mirrors: Mapping[str, str]
    traits: Traits
    closed_mirrors: frozenset[str] = frozenset()
    bucket: str = ""
    """The name of the bucket for snapshots, if the page leaves it out."""


def plan_node(page: Page, topology: Topology, node: NodePlan, environment: NodeEnvironment) -> NodePart:
    """Everything that has to be on a node, in the order in which its services start."""
    part = merge(_parts(page, topology, node, environment))
    if page.restore:
        part = with_restore(part, page.restore, node)
    return patient(merge((part, generations_file(page.pki.generations, part))), page.rollout.answer_timeout)


def _parts(page: Page, topology: Topology, node: NodePlan, environment: NodeEnvironment) -> Iterator[NodePart]:
    yield identity(topology, node)
    if proxy := proxy_file(page):
        yield NodePart(files=(proxy,))
    if authorities := authorities_file(page):
        yield NodePart(files=(authorities,))
    if node.is_etcd:
        yield etcd_member(page, topology, node)
        if page.backup:
            yield backup_part(page, page.backup, environment.bucket)
    if node.runs_kubelet:
        yield kernel_settings(environment.traits)
        if environment.traits.swap_off:
            yield swap_off()
        yield pod_interfaces(plugin_of(page).node_part(page).remnants)
        yield api_proxy(page, topology, node)
    if node.is_control_plane:
        yield etcd_proxy(page, topology, node)
        yield api_server(page, topology, node)
        yield controller_manager(page, topology, node)
        yield scheduler(page, topology, node)
        yield maintenance(topology, node)
        if page.machines.virtual_address:
            yield virtual_address(page, page.machines.virtual_address, topology, node)
    if node.runs_kubelet:
        # For people on the machine and for drain.sh.
        yield NodePart(artifacts=("kubectl",))
        yield container_runtime(
            environment.pause_images[node.architecture],
            environment.registry_mirrors,
            environment.traits,
            proxy,
            environment.closed_mirrors,
            authorities,
        )
        yield plugin_of(page).node_part(page)
        if page.network.enforces_policies:
            yield policies_part(page.network.pod_cidr, environment.traits)
        yield kubelet(page, topology, node, environment.traits)
        yield kube_proxy(page, topology, node, environment.traits)
        guarded = GUARDED if page.network.enforces_policies else None
        yield nftables_guard(page, plugin_of(page).node_part(page).remnants, guarded)
