"""The machines of a stack in AWS, with network, firewall, load balancer and bastion."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.config import Page
from components.config.aws import AwsBastion, AwsSection
from components.config.aws_places import Place
from components.config.ports import SSH
from components.machines.aws.account import Account
from components.machines.aws.balancer import AwsBalancer
from components.machines.aws.firewall import BALANCER, BASTION, groups_of
from components.machines.aws.instances import Common, Shape, attach_volume, make_instance, make_volume, role_of
from components.machines.aws.network import AwsNetwork, given_network
from components.machines.aws.security import AwsSecurity
from components.machines.aws.snapshots import make_role, make_snapshots
from components.machines.aws.tags import Tags
from components.machines.aws.user_data import USER, WAIT, wait_for_data
from components.machines.base import LoadBalancer, Machine, Machines
from components.machines.connection import shell_prefix
from components.machines.login import authorize, make_login_keys
from components.machines.ssh import Access, Route
from components.node.traits import Traits
from components.topology import NodePlan, Topology

_ATTEMPTS = 60
"""Attempts to connect to a machine that boots; they are 0.1 to 5 s apart."""
_BASTION_DISK = 8


@dataclass(frozen=True)
class AwsMachinesArgs:
    """The page and its section `machines`, the topology, each node's place, the account, and the tags."""

    page: Page
    aws: AwsSection
    topology: Topology
    places: dict[str, Place]
    account: Account
    tags: Tags


class AwsMachines(pulumi.ComponentResource):
    """Network, firewall, load balancer, an optional bastion, and an instance for each node. Needs a provider `aws`."""

    machines: Machines

    def __init__(self, name: str, args: AwsMachinesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hardway:machines:AwsMachines", name, {}, opts)
        self._args, self._child = args, pulumi.ResourceOptions(parent=self)
        given = args.aws.network.vpc is not None
        self._subnets = (
            given_network(args.aws) if given else AwsNetwork("network", args.aws, args.tags, self._child).subnets
        )
        vpc = self._subnets.vpc_id
        self._security = AwsSecurity("security", args.page, args.aws, vpc, args.tags, self._child)
        self._login = make_login_keys(f"{name}-ssh", args.page.pki.generations.ssh, self._child)
        self._authorized: list[pulumi.Resource] = []
        self._common = Common(
            args.aws,
            args.tags,
            args.account.amis,
            self._profile(),
            self._login,
            [*self._subnets.routes, *self._security.rules],
        )
        self._snapshots = make_snapshots(args.page, args.aws, args.account.id, args.tags, self._child)
        bastion = self._make_bastion(args.aws.bastion) if args.aws.bastion else None
        self._bastion = bastion
        balancer = AwsBalancer(
            "balancer",
            args.aws,
            args.page.api.port,
            vpc,
            self._subnets.front if args.aws.endpoint.public or not given else list(self._subnets.machines.values()),
            self._security.ids[BALANCER],
            args.tags,
            self._child,
        )
        self._instances: dict[str, aws.ec2.Instance] = {}
        made = {node.name: self._machine(node) for node in args.topology.nodes}
        targets = {node.name: self._instances[node.name] for node in args.topology.control_plane_nodes}
        before_api = [balancer.listener, *balancer.attach(targets)]
        outputs: dict[str, pulumi.Input[object]] = {
            "loadBalancer": balancer.host,
            "sshKey": self._login.private_key,
        }
        if bastion:
            outputs["bastion"] = bastion.host
        if self._snapshots:
            outputs["backupBucket"] = self._snapshots.bucket
        self.machines = Machines(
            by_name=made,
            mirror=args.page.artifacts.mirror or "",
            registry_mirrors={},
            traits=Traits(),
            authorized=self._authorized,
            load_balancer=LoadBalancer(balancer.host, args.aws.endpoint.name is not None, before_api),
            bucket=self._snapshots.bucket if self._snapshots else "",
            outputs=outputs,
        )
        self.register_outputs({"instances": {name: instance.id for name, instance in self._instances.items()}})

    def _profile(self) -> pulumi.Output[str]:
        """A role without rights. If a driver needs rights, then its installation has to add them to this role."""
        tags = self._args.tags
        _, profile = make_role(f"{tags.cluster}-machine", tags, "machine", self._child)
        return profile

    def _make_bastion(self, bastion: AwsBastion) -> Route:
        groups = [self._security.ids[BASTION]]
        port = bastion.port
        shape = Shape(
            "bastion",
            bastion.type,
            bastion.architecture,
            _BASTION_DISK,
            self._subnets.front[0],
            groups,
            bastion_port=port,
        )
        instance, host_key = make_instance(self._common, shape, self)
        # An address of its own: it stays the same if the bastion is replaced.
        address = aws.ec2.Eip("bastion", domain="vpc", tags=self._args.tags.of("bastion"), opts=self._child)
        placed = aws.ec2.EipAssociation(
            "bastion", allocation_id=address.allocation_id, instance_id=instance.id, opts=self._child
        )
        route = Route(placed.public_ip, port, USER, host_key)
        self._authorize("bastion", Access(route, None, self._login.private_key, _ATTEMPTS), instance)
        return route

    def _authorize(self, name: str, access: Access, instance: aws.ec2.Instance) -> None:
        self._authorized += authorize(self._login, name, access, instance, self._child)

    def _machine(self, node: NodePlan) -> Machine:
        args = self._args
        place, role = args.places[node.name], role_of(args.aws, node)
        volume = make_volume(self._common, node.name, place.zone, self) if node.is_etcd else None
        shape = Shape(
            node.name,
            role.type,
            role.architecture,
            role.root_size,
            self._subnets.machines[place.zone],
            [self._security.ids[group] for group in groups_of(node)],
            address=place.address,
            volume=volume,
            forwards=args.page.network.plugin.routes_pod_packets,
            protected=args.aws.protected and (node.is_etcd or node.is_control_plane),
            profile=self._snapshots.profile if self._snapshots and node.is_etcd else None,
        )
        instance, host_key = make_instance(self._common, shape, self)
        self._instances[node.name] = instance
        needed = [attach_volume(node.name, volume, instance, self)] if volume else []
        if self._snapshots and node.is_etcd:
            needed += self._snapshots.ready
        route = Route(place.address, SSH, USER, host_key)
        access = Access(route, self._bastion, self._login.private_key, _ATTEMPTS)
        self._authorize(node.name, access, instance)
        return Machine(
            node.name,
            access,
            instance,
            # The data is on the volume, which outlives the instance.
            volume.id if volume else instance.id,
            become="sudo -n ",
            # The operator's key is the stack's output `sshKey`.
            shell_prefix=shell_prefix(access),
            over_ssh=True,
            # Programs that cloud-init could not install at the first boot.
            installs_packages=True,
            after=tuple(needed),
            wait=volume.id.apply(wait_for_data) if volume else WAIT,
        )
