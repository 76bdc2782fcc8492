"""The machines of a stack in AWS, and all that they need there."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_command as command
import pulumi_tls as tls

from components.config import Page
from components.config.aws import AwsBastion
from components.config.aws import AwsMachines as AwsPage
from components.config.aws_places import Place
from components.config.ports import SSH
from components.machines.aws.balancer import AwsBalancer
from components.machines.aws.firewall import BALANCER, BASTION, groups_of
from components.machines.aws.instances import Making, Shape, attach_volume, make_instance, make_volume, role_of
from components.machines.aws.network import AwsNetwork, given_network
from components.machines.aws.security import AwsSecurity
from components.machines.aws.tags import Tags
from components.machines.aws.user_data import USER, WAIT, WAIT_FOR_DATA
from components.machines.base import LoadBalancer, Machine, Machines
from components.node.traits import Traits
from components.topology import NodePlan, Topology

_DIALS = 60
"""Attempts to reach a machine that boots; they are 0.1 to 5 s apart."""
_BASTION_DISK = 8
_MAY_BE_INSTANCES = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}},
        ],
    }
)


@dataclass(frozen=True)
class AwsMachinesArgs:
    """The page and its section of the machines, the plan, each node's place, the AMI for new machines, and marks."""

    page: Page
    aws: AwsPage
    topology: Topology
    places: dict[str, Place]
    ami: str
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
        self._ssh = tls.PrivateKey(f"{name}-ssh", algorithm="ED25519", opts=self._child)
        self._making = Making(
            args.aws, args.tags, args.ami, self._profile(), self._ssh, [*self._subnets.ways_out, *self._security.rules]
        )
        bastion = self._bastion(args.aws.bastion) if args.aws.bastion else None
        self._proxy = bastion
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
            "sshKey": self._ssh.private_key_openssh,
        }
        if bastion:
            outputs["bastion"] = bastion.host
        self.machines = Machines(
            by_name=made,
            mirror=args.page.artifacts.mirror or "",
            registry_mirrors={},
            traits=Traits(),
            load_balancer=LoadBalancer(balancer.host, args.aws.endpoint.name is not None, before_api),
            outputs=outputs,
        )
        self.register_outputs({"instances": {name: instance.id for name, instance in self._instances.items()}})

    def _profile(self) -> pulumi.Output[str]:
        """A role without rights. Whoever installs a driver that needs some gives them to it."""
        tags = self._args.tags
        role = aws.iam.Role(
            f"{tags.cluster}-machine", assume_role_policy=_MAY_BE_INSTANCES, tags=tags.of("machine"), opts=self._child
        )
        return aws.iam.InstanceProfile(
            f"{tags.cluster}-machine", role=role.name, tags=tags.of("machine"), opts=self._child
        ).name

    def _bastion(self, bastion: AwsBastion) -> command.remote.ProxyConnectionArgs:
        groups = [self._security.ids[BASTION]]
        port = bastion.port
        shape = Shape("bastion", bastion.type, _BASTION_DISK, self._subnets.front[0], groups, bastion_port=port)
        instance, host_key = make_instance(self._making, shape, self)
        # An address of its own: it stays the same when the bastion is made anew.
        address = aws.ec2.Eip("bastion", domain="vpc", tags=self._args.tags.of("bastion"), opts=self._child)
        placed = aws.ec2.EipAssociation(
            "bastion", allocation_id=address.allocation_id, instance_id=instance.id, opts=self._child
        )
        return command.remote.ProxyConnectionArgs(
            host=placed.public_ip,
            port=port,
            user=USER,
            private_key=self._ssh.private_key_openssh,
            host_key=host_key,
            dial_error_limit=_DIALS,
            per_dial_timeout=10,
        )

    def _machine(self, node: NodePlan) -> Machine:
        args = self._args
        place, role = args.places[node.name], role_of(args.aws, node)
        volume = make_volume(self._making, node.name, place.zone, self) if node.is_etcd else None
        shape = Shape(
            node.name,
            role.type,
            role.root_size,
            self._subnets.machines[place.zone],
            [self._security.ids[group] for group in groups_of(node)],
            address=place.address,
            volume=volume,
            forwards=args.page.network.flannel.backend == "host-gw",
            protected=args.aws.protected and (node.is_etcd or node.is_control_plane),
        )
        instance, host_key = make_instance(self._making, shape, self)
        self._instances[node.name] = instance
        attached = (attach_volume(node.name, volume, instance, self),) if volume else ()
        connection = command.remote.ConnectionArgs(
            host=place.address,
            port=SSH,
            user=USER,
            private_key=self._ssh.private_key_openssh,
            host_key=host_key,
            proxy=self._proxy,
            dial_error_limit=_DIALS,
            per_dial_timeout=10,
        )
        return Machine(
            node.name,
            connection,
            instance,
            # The volume outlives the instance.
            volume.id if volume else instance.id,
            become="sudo -n ",
            shell_prefix=self._shell(place.address),
            over_ssh=True,
            # Of what cloud-init could not install at the first boot.
            installs_packages=True,
            after=attached,
            wait=WAIT_FOR_DATA if volume else WAIT,
        )

    def _shell(self, address: str) -> pulumi.Output[str]:
        """OpenSSH's client, with the operator's own configuration; the key is the stack's output `sshKey`."""
        if self._proxy is None:
            return pulumi.Output.from_input(f"ssh {USER}@{address}")
        return pulumi.Output.concat(f"ssh -J {USER}@", self._proxy.host, f":{self._proxy.port} {USER}@{address}")
