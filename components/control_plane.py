"""The control plane: API servers, controller-managers and schedulers, activated one node after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import pulumi

from components.config.access import Developer
from components.config.oidc import Issuer
from components.etcd import EtcdCluster
from components.machines.base import LoadBalancer
from components.pki import kubeconfig
from components.pki.cluster_pki import ClusterPki
from components.pki.leaves import proxy_leaf
from components.rollout.node_release import StagedNode
from components.rollout.order import roll
from components.topology import Topology


@dataclass(frozen=True)
class ControlPlaneArgs:
    """The topology, every staged node, the etcd cluster that has to be healthy first, and the PKI."""

    topology: Topology
    staged: Mapping[str, StagedNode]
    etcd: EtcdCluster
    pki: ClusterPki
    load_balancer: LoadBalancer | None = None


class ControlPlane(pulumi.ComponentResource):
    """The API of the cluster. Nodes that are also etcd members are activated by `EtcdCluster` already.

    `ready` are the activations after which every API server answers. `endpoint` is the URL of the API for people.
    """

    endpoint: pulumi.Output[str]
    ready: list[pulumi.Resource]

    def __init__(self, name: str, args: ControlPlaneArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hardway:controlplane:ControlPlane", name, {}, opts)
        self._args = args
        names = [node.name for node in args.topology.control_plane_nodes]
        stacked = {n: args.etcd.activated[n] for n in names if n in args.etcd.activated}
        own = [args.staged[node.name] for node in args.topology.further_control_plane]
        activated = roll(self, own, args.staged.values(), after=[*args.etcd.before, *args.etcd.activated.values()])
        # A member on a separate machine may still be starting: nothing may use the API before all members are ready.
        self.ready = [*args.etcd.activated.values(), *activated.values()]
        if args.load_balancer:
            self.ready += args.load_balancer.ready
        self.activated = stacked | activated
        self.endpoint = self._server(for_people=True)[0]
        self.register_outputs({"endpoint": self.endpoint})

    def kubeconfig(self, leaf: str) -> pulumi.Output[str]:
        """A kubeconfig (secret) with the client certificate `leaf`, such as `admin`.

        The kubeconfig of the program itself (`deployer`) names the load balancer by its own name, because the DNS name
        of the page may not exist yet.
        """
        return self._kubeconfig(leaf, *self._server(for_people=leaf != "deployer"))

    def node_local_kubeconfig(self, leaf: str) -> pulumi.Output[str]:
        """A kubeconfig (secret) for use on a node: it reaches the API through the proxy of the node."""
        return self._kubeconfig(leaf, pulumi.Output.from_input(self._args.topology.node_local_url))

    def _kubeconfig(self, leaf: str, url: pulumi.Output[str], name: str = "") -> pulumi.Output[str]:
        pki, topology = self._args.pki, self._args.topology
        holder = pki.leaves[leaf]
        ca = pki.authorities["kubernetes"].path_pem
        return pulumi.Output.secret(
            pulumi.Output.all(server=url, ca=ca, cert=holder.cert_pem, key=holder.private_key_pem).apply(
                lambda known: kubeconfig.embedded(cluster=topology.cluster_name, user=leaf, server_name=name, **known)
            )
        )

    def kubeconfig_sha256(self, leaf: str) -> pulumi.Output[str]:
        """The digest of a kubeconfig, which shows whether a copy is current. It does not reveal the key."""
        return pulumi.Output.unsecret(
            self.kubeconfig(leaf).apply(lambda text: hashlib.sha256(text.encode()).hexdigest())
        )

    def _server(self, *, for_people: bool) -> tuple[pulumi.Output[str], str]:
        """The URL of the API, and the name in its certificate if that is another name, else an empty text."""
        topology, balancer = self._args.topology, self._args.load_balancer
        if balancer is None or (for_people and balancer.named):
            return pulumi.Output.from_input(topology.endpoint_url), ""
        return pulumi.Output.concat("https://", balancer.host, f":{topology.endpoint_port}"), topology.endpoint_host

    def developer_kubeconfigs(self, developers: Sequence[Developer]) -> dict[str, pulumi.Output[str]]:
        """The kubeconfig (secret) of each developer, by name."""
        return {developer.name: self.kubeconfig(f"developer-{developer.name}") for developer in developers}

    def proxy_credentials(self, names: Sequence[str]) -> dict[str, pulumi.Output[dict[str, str]]]:
        """What each authenticating proxy needs (secret), by name: its pair, and the API with its authorities."""
        server, name = self._server(for_people=True)
        ca = self._args.pki.authorities["kubernetes"].path_pem
        holders = {proxy: self._args.pki.leaves[proxy_leaf(proxy)] for proxy in names}
        return {
            proxy: pulumi.Output.secret(
                pulumi.Output.all(
                    certificate=holder.cert_pem,
                    key=holder.private_key_pem,
                    server=server,
                    certificateAuthority=ca,
                    **({"serverName": name} if name else {}),
                )
            )
            for proxy, holder in holders.items()
        }

    def login_kubeconfig(self, issuers: Sequence[Issuer]) -> pulumi.Output[str]:
        """The kubeconfig of people who log in at an issuer. There is no secret in it."""
        topology, (url, name) = self._args.topology, self._server(for_people=True)
        logins = [
            kubeconfig.Login(host, issuer.url, issuer.audiences[0], issuer.scopes, issuer.authorities)
            for host, issuer in zip(_hosts(issuers), issuers, strict=True)
        ]
        return pulumi.Output.all(server=url, ca=self._args.pki.authorities["kubernetes"].path_pem).apply(
            lambda known: kubeconfig.by_login(cluster=topology.cluster_name, server_name=name, logins=logins, **known)
        )


def _hosts(issuers: Sequence[Issuer]) -> list[str]:
    """The host of each issuer, with its path if several issuers have one host: names of users in a kubeconfig."""
    parts = [urlsplit(issuer.url) for issuer in issuers]
    hosts = [part.netloc for part in parts]
    return [
        host if hosts.count(host) == 1 else f"{host}{part.path.rstrip('/')}"
        for host, part in zip(hosts, parts, strict=True)
    ]
