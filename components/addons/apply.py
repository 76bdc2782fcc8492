"""Everything that is applied through the API of the cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.addons.bootstrap import bootstrap_tokens
from components.addons.coredns import CoreDns, CoreDnsArgs, spread_over
from components.addons.nodes import Nodes
from components.addons.rbac import Rbac
from components.artifacts.choice import choose_image, choose_images
from components.artifacts.lock import Lock
from components.config import Page
from components.config.generations import SINGLE, Generations
from components.config.network import POLICY_ENGINE
from components.network_plugins.choice import plugin_of
from components.network_plugins.contract import ObjectsArgs
from components.network_policies.objects import NetworkPolicies, NetworkPoliciesArgs
from components.object_options import owned, waiting
from components.pki.bootstrap_token import BootstrapToken
from components.topology import Topology


@dataclass(frozen=True)
class AddonsArgs:
    """The page, the topology, the lock of images, the bootstrap tokens by node, the kubeconfig of the program.

    `after` are the resources that have to exist before pods restart because of other trusted authorities.
    """

    page: Page
    topology: Topology
    lock: Lock
    tokens: Mapping[str, BootstrapToken]
    kubeconfig: pulumi.Output[str]
    after: Sequence[pulumi.Resource] = ()


class Addons(pulumi.ComponentResource):
    """RBAC, the bootstrap tokens, the nodes, the network plugin, CoreDNS: done when nodes are Ready and names resolve.

    `maintenance` is what gives the maintenance credential its rights.
    """

    maintenance: pulumi.Resource

    def __init__(self, name: str, args: AddonsArgs, opts: pulumi.ResourceOptions) -> None:
        opts = pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(transformations=[owned, waiting(args.page.rollout.health_timeout)])
        )
        super().__init__("hardway:addons:Addons", name, {}, opts)
        page, topology = args.page, args.topology
        plugin = page.network.plugin
        images = {name: choose_images(page, args.lock, name) for name in plugin.images(page.versions)}
        coredns_image = choose_image(page, args.lock, "coredns")
        child = pulumi.ResourceOptions(parent=self, deleted_with=opts.deleted_with)
        rbac = Rbac("rbac", page.access, child)
        self.maintenance = rbac.maintenance
        # Tokens come after the rules that approve certificate requests: a request without approval waits.
        tokens = bootstrap_tokens(args.tokens, _after(child, rbac.bindings))
        child = _after(child, args.after)
        Nodes("nodes", topology, args.kubeconfig, tokens, page.rollout.health_timeout, child)
        # The network plugin does not wait for the tokens: a node that joins finds its pod and does nothing else first.
        # A pod reads the trust bundle of the API when it starts. Therefore a change of the bundle replaces these pods.
        trust = _trust_annotation(page.pki.generations.kubernetes)
        network = plugin_of(page).make_objects(
            plugin.title, ObjectsArgs(page, images, topology.node_local_port, trust), child
        )
        dns = CoreDnsArgs(
            coredns_image,
            topology.dns_address,
            topology.domain,
            page.dns.upstreams,
            page.dns.replicas,
            spread_over(topology.kubelet_nodes, page.dns.replicas),
            trust,
        )
        if page.network.enforces_policies:
            # An engine that enforces policies needs `nft`, which the image of the network plugin has.
            engine = choose_image(page, args.lock, POLICY_ENGINE)
            enforcing = NetworkPoliciesArgs(engine, images[plugin.title], topology.node_local_port, trust)
            network = NetworkPolicies(POLICY_ENGINE, enforcing, _after(child, network)).daemons
        # If a pod starts before the network of its node, the kubelet tries again only ten seconds later.
        CoreDns("coredns", dns, _after(child, list(tokens.values())), network)
        self.register_outputs({})


def _trust_annotation(generations: Generations) -> dict[str, str]:
    """An annotation with the trusted generations of the API's authority; none if only generation 1 is trusted."""
    return {} if generations == SINGLE else {"hardway/trusted-generations": ",".join(map(str, generations.trusted))}


def _after(opts: pulumi.ResourceOptions, resources: Sequence[pulumi.Resource]) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=list(resources)))
