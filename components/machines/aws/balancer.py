"""The network load balancer before the API servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from components.config.aws import AwsSection
from components.machines.aws.tags import Tags

_HEALTH = aws.lb.TargetGroupHealthCheckArgs(
    protocol="HTTPS",
    path="/readyz",
    port="traffic-port",
    interval=5,
    timeout=4,
    healthy_threshold=2,
    unhealthy_threshold=2,
)
"""An API server that stops fails /readyz six seconds before it refuses requests."""


class AwsBalancer(pulumi.ComponentResource):
    """A load balancer that sends TCP connections to API servers that are ready.

    `host` is its DNS name. TLS is between client and API server: the load balancer does not terminate it.
    """

    host: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        machines: AwsSection,
        port: int,
        vpc_id: pulumi.Input[str],
        subnets: Sequence[pulumi.Input[str]],
        group: pulumi.Input[str],
        tags: Tags,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("hardway:machines:AwsBalancer", name, {}, opts)
        self._port, own = port, pulumi.ResourceOptions(parent=self)
        # AWS allows names of at most 32 characters, of which the engine's random suffix takes eight.
        aws_name = f"{tags.cluster}-api"
        balancer = aws.lb.LoadBalancer(
            aws_name,
            load_balancer_type="network",
            internal=not machines.endpoint.public,
            subnets=list(subnets),
            security_groups=[group],
            # Zones without an API server lead to an API server as well.
            enable_cross_zone_load_balancing=True,
            enable_deletion_protection=machines.protected,
            tags=tags.of("api"),
            opts=pulumi.ResourceOptions(parent=self, protect=machines.protected),
        )
        self._targets = aws.lb.TargetGroup(
            aws_name,
            port=port,
            protocol="TCP",
            vpc_id=vpc_id,
            target_type="instance",
            deregistration_delay=30,
            health_check=_HEALTH,
            tags=tags.of("api"),
            opts=own,
        )
        self.listener = aws.lb.Listener(
            "api",
            load_balancer_arn=balancer.arn,
            port=port,
            protocol="TCP",
            default_actions=[aws.lb.ListenerDefaultActionArgs(type="forward", target_group_arn=self._targets.arn)],
            tags=tags.of("api"),
            opts=own,
        )
        self.host = balancer.dns_name
        self.register_outputs({"host": self.host})

    def attach(self, instances: Mapping[str, aws.ec2.Instance]) -> list[pulumi.Resource]:
        """Make these instances, by node name, the targets of the load balancer."""
        return [
            aws.lb.TargetGroupAttachment(
                f"{name}-api",
                target_group_arn=self._targets.arn,
                target_id=instance.id,
                port=self._port,
                opts=pulumi.ResourceOptions(parent=self),
            )
            for name, instance in instances.items()
        ]
