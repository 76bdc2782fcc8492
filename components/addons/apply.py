"""Everything that goes through the API of a new cluster, in one go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.addons.bootstrap import bootstrap_token
from components.addons.coredns import CoreDns, CoreDnsArgs
from components.addons.flannel import Flannel, FlannelArgs
from components.addons.nodes import Nodes
from components.addons.options import owned
from components.addons.rbac import Rbac
from components.artifacts.choice import choose_image
from components.artifacts.lock import Lock
from components.config import Page
from components.pki.cluster_pki import BootstrapToken
from components.topology import Topology


@dataclass(frozen=True)
class AddonsArgs:
    """The page, the topology, the lock of images, and the kubelets' first credential."""

    page: Page
    topology: Topology
    lock: Lock
    token: BootstrapToken


class Addons(pulumi.ComponentResource):
    """RBAC, the bootstrap token, the nodes, flannel and CoreDNS. Done when every node is Ready and names resolve.

    `maintenance` is what gives the maintenance credential its rights.
    """

    maintenance: pulumi.Resource

    def __init__(self, name: str, args: AddonsArgs, opts: pulumi.ResourceOptions) -> None:
        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(transformations=[owned]))
        super().__init__("hardway:addons:Addons", name, {}, opts)
        page, topology = args.page, args.topology
        flannel_image = choose_image(page, args.lock, "flannel")
        coredns_image = choose_image(page, args.lock, "coredns")
        child = pulumi.ResourceOptions(parent=self, deleted_with=opts.deleted_with)
        rbac = Rbac("rbac", page.access.developers, child)
        self.maintenance = rbac.maintenance
        # The token works once everything that lets a kubelet in is there: a request that is not approved at once waits.
        # All else comes after it: every node waits for the token.
        token = bootstrap_token(args.token, _after(child, rbac.bindings))
        child = _after(child, [token])
        Nodes("nodes", topology, child)
        network = Flannel("flannel", FlannelArgs(page.network, flannel_image, topology.node_local_port), child)
        dns = CoreDnsArgs(coredns_image, topology.dns_address, topology.domain, page.dns.upstreams, page.dns.replicas)
        # A pod that comes before its node's network is tried again only ten seconds later.
        CoreDns("coredns", dns, child, network.daemons)
        self.register_outputs({})


def _after(opts: pulumi.ResourceOptions, resources: Sequence[pulumi.Resource]) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=list(resources)))
