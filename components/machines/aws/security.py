"""Security groups. Each rule is a resource of its own."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from components.config import Page
from components.config.aws import AwsSection
from components.machines.aws.firewall import ALL, MACHINE, SCTP, Rule, groups, rules
from components.machines.aws.tags import Tags


class AwsSecurity(pulumi.ComponentResource):
    """The groups of `firewall.py` and their rules. `ids` has the groups' ids by name."""

    ids: Mapping[str, pulumi.Output[str]]

    def __init__(
        self,
        name: str,
        page: Page,
        machines: AwsSection,
        vpc_id: pulumi.Input[str],
        tags: Tags,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("hardway:machines:AwsSecurity", name, {}, opts)
        self._tags = tags
        self.ids = {
            group: aws.ec2.SecurityGroup(
                group,
                vpc_id=vpc_id,
                description=description,
                tags=tags.of(group, found_by_cloud=group == MACHINE),
                opts=pulumi.ResourceOptions(parent=self),
            ).id
            for group, description in groups(machines).items()
        }
        self.rules = [self._rule(rule) for rule in rules(page, machines)]
        self.register_outputs({"groups": dict(self.ids)})

    def _rule(self, rule: Rule) -> pulumi.Resource:
        kind = aws.vpc.SecurityGroupEgressRule if rule.outgoing else aws.vpc.SecurityGroupIngressRule
        ports = {} if rule.protocol in (ALL, SCTP) else {"from_port": rule.first, "to_port": rule.last}
        other = (
            {"cidr_ipv4": rule.other} if rule.from_network else {"referenced_security_group_id": self.ids[rule.other]}
        )
        made: pulumi.Resource = kind(
            rule.name,
            security_group_id=self.ids[rule.group],
            description=rule.what,
            ip_protocol=rule.protocol,
            tags=self._tags.of(rule.name),
            opts=pulumi.ResourceOptions(parent=self),
            **ports,
            **other,
        )
        return made
