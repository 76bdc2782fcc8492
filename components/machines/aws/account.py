"""Queries to AWS before anything is created. If something is wrong, the program ends with one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import pulumi
import pulumi_aws as aws

from components.config import ConfigError, Finding, Page
from components.config.aws import AwsSection, GivenVpc
from components.machines.aws.processors import used, wrong_processors
from components.machines.aws.question import ask
from components.machines.aws.tags import Tags


@dataclass(frozen=True)
class Account:
    """The id of the account, and the ids of the AMIs for new machines, by architecture."""

    id: str
    amis: Mapping[str, str]


def inspect_account(page: Page, machines: AwsSection, tags: Tags, provider: aws.Provider) -> Account:
    """Check that credentials, zones and given subnets exist, find the AMIs, and check the processors of arm64 machines.

    Raises pulumi.RunError.
    """
    opts = pulumi.InvokeOptions(provider=provider)
    account = str(ask("who this is", machines, lambda: aws.get_caller_identity(opts=opts)).account_id)
    found: list[Finding] = []
    if machines.network.vpc:
        found += _subnets(machines, machines.network.vpc, opts)
    else:
        found += _zones(machines, opts)
    if found:
        raise pulumi.RunError(str(ConfigError(found)))
    amis = {architecture: _ami(machines, architecture, opts) for architecture in used(page, machines)}
    if found := list(wrong_processors(page, machines, amis, tags, opts)):
        raise pulumi.RunError(str(ConfigError(found)))
    return Account(account, amis)


def _ami(machines: AwsSection, architecture: str, opts: pulumi.InvokeOptions) -> str:
    key, image = machines.images[architecture]
    if image.startswith("ami-"):
        return image
    what = f"the AMI in the SSM parameter {image} (hardway:machines.{key})"
    return str(ask(what, machines, lambda: aws.ssm.get_parameter(name=image, opts=opts)).insecure_value)


def _zones(machines: AwsSection, opts: pulumi.InvokeOptions) -> list[Finding]:
    answer = ask("its zones", machines, lambda: aws.get_availability_zones(state="available", opts=opts))
    there = [name.removeprefix(machines.region) for name in answer.names]
    return [
        Finding(f"machines.network.zones[{index}]", f"{zone!r} is no zone of {machines.region}", ", ".join(there))
        for index, zone in enumerate(machines.network.zones)
        if zone not in there
    ]


def _subnets(machines: AwsSection, vpc: GivenVpc, opts: pulumi.InvokeOptions) -> list[Finding]:
    found = []
    for index, subnet in enumerate(vpc.subnets):
        answer = ask(f"the subnet {subnet.id}", machines, partial(aws.ec2.get_subnet, id=subnet.id, opts=opts))
        path = f"machines.network.vpc.subnets[{index}]"
        for key, said, real in (
            ("id", vpc.id, answer.vpc_id),
            ("zone", f"{machines.region}{subnet.zone}", answer.availability_zone),
            ("cidr", subnet.cidr, answer.cidr_block),
        ):
            if said != real:
                problem = f"{subnet.id} is in {said} on the page and in {real} in AWS"
                found.append(Finding(f"{path}.{key}", problem, "the value from AWS"))
        if answer.map_public_ip_on_launch:
            problem = f"{subnet.id} gives every machine a public address"
            found.append(Finding(f"{path}.id", problem, "a private subnet"))
    return found
