"""The network: a new VPC with its subnets and routes to the internet, or an existing VPC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.config.aws import AwsSection
from components.config.aws_places import front_subnets, machine_subnets
from components.machines.aws.tags import Tags

EVERYWHERE = "0.0.0.0/0"


@dataclass(frozen=True)
class Subnets:
    """A VPC and its subnets' ids by letter of the zone.

    `machines` are the subnets of machines, `front` the subnets of load balancer, NAT gateways and bastion. `routes` has
    to exist before a machine reaches the internet.
    """

    vpc_id: pulumi.Input[str]
    machines: Mapping[str, pulumi.Input[str]]
    front: Sequence[pulumi.Input[str]]
    routes: Sequence[pulumi.Resource]


def given_network(machines: AwsSection) -> Subnets:
    """The subnets of an existing VPC. A load balancer without public addresses is in the subnets of machines."""
    vpc = machines.network.vpc
    if vpc is None:
        raise ValueError("the page gives no VPC")
    own = {subnet.zone: subnet.id for subnet in vpc.subnets}
    return Subnets(vpc.id, own, vpc.public_subnets or tuple(own.values()), ())


class AwsNetwork(pulumi.ComponentResource):
    """A new VPC. Machines are in private subnets; only resources with a public address are in the other subnets."""

    subnets: Subnets

    def __init__(self, name: str, machines: AwsSection, tags: Tags, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hardway:machines:AwsNetwork", name, {}, opts)
        self._page, self._tags = machines, tags
        self._vpc = aws.ec2.Vpc(
            "vpc",
            cidr_block=machines.network.cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=tags.of("vpc", found_by_cloud=True),
            opts=self._child(),
        )
        # The default group of the VPC, for resources without a group of their own. It allows nothing.
        aws.ec2.DefaultSecurityGroup(
            "default-group", vpc_id=self._vpc.id, ingress=[], egress=[], tags=tags.of("default"), opts=self._child()
        )
        front = self._subnets("front", front_subnets(machines))
        own = self._subnets("machines", machine_subnets(machines))
        routes = self._internet_routes(front, own) if self._needs_internet() else []
        self.subnets = Subnets(
            self._vpc.id,
            {zone: subnet.id for zone, subnet in own.items()},
            [subnet.id for subnet in front.values()],
            routes,
        )
        self.register_outputs({"vpc": self._vpc.id})

    def _child(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self)

    def _needs_internet(self) -> bool:
        page = self._page
        return page.network.nat != "none" or page.endpoint.public or page.bastion is not None

    def _subnets(self, kind: str, cidrs: Mapping[str, str]) -> dict[str, aws.ec2.Subnet]:
        return {
            zone: aws.ec2.Subnet(
                f"{kind}-{zone}",
                vpc_id=self._vpc.id,
                cidr_block=cidr,
                availability_zone=f"{self._page.region}{zone}",
                map_public_ip_on_launch=False,
                tags=self._tags.of(f"{kind}-{zone}", found_by_cloud=True),
                opts=self._child(),
            )
            for zone, cidr in cidrs.items()
        }

    def _internet_routes(
        self, front: Mapping[str, aws.ec2.Subnet], own: Mapping[str, aws.ec2.Subnet]
    ) -> list[pulumi.Resource]:
        gateway = aws.ec2.InternetGateway(
            "internet", vpc_id=self._vpc.id, tags=self._tags.of("internet"), opts=self._child()
        )
        public = self._routes("front", front, gateway_id=gateway.id)
        nat = self._page.network.nat
        if nat == "none":
            return public
        zones = list(front)[:1] if nat == "one" else list(front)
        gateways = {zone: self._nat(zone, front[zone], public) for zone in zones}
        private: list[pulumi.Resource] = []
        for zone, subnet in own.items():
            gateway_of_zone = gateways.get(zone, gateways[zones[0]])
            private += self._routes(f"machines-{zone}", {zone: subnet}, nat_gateway_id=gateway_of_zone.id)
        return [*public, *private]

    def _nat(self, zone: str, subnet: aws.ec2.Subnet, public: Sequence[pulumi.Resource]) -> aws.ec2.NatGateway:
        name = f"nat-{zone}"
        address = aws.ec2.Eip(name, domain="vpc", tags=self._tags.of(name), opts=self._child())
        opts = pulumi.ResourceOptions(parent=self, depends_on=public)
        return aws.ec2.NatGateway(
            name, allocation_id=address.id, subnet_id=subnet.id, tags=self._tags.of(name), opts=opts
        )

    def _routes(
        self,
        name: str,
        subnets: Mapping[str, aws.ec2.Subnet],
        *,
        gateway_id: pulumi.Input[str] | None = None,
        nat_gateway_id: pulumi.Input[str] | None = None,
    ) -> list[pulumi.Resource]:
        """A route table for these subnets, with a default route through the gateway."""
        table = aws.ec2.RouteTable(name, vpc_id=self._vpc.id, tags=self._tags.of(name), opts=self._child())
        route = aws.ec2.Route(
            name,
            route_table_id=table.id,
            destination_cidr_block=EVERYWHERE,
            gateway_id=gateway_id,
            nat_gateway_id=nat_gateway_id,
            opts=self._child(),
        )
        placed = [
            aws.ec2.RouteTableAssociation(
                f"{name}-{zone}" if len(subnets) > 1 else name,
                route_table_id=table.id,
                subnet_id=subnet.id,
                opts=self._child(),
            )
            for zone, subnet in subnets.items()
        ]
        return [route, *placed]
