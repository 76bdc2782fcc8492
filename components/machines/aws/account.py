"""Queries to AWS before anything is created. If something is wrong, the program ends with one sentence."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import pulumi
import pulumi_aws as aws

from components.config import ConfigError, Finding
from components.config.aws import AwsSection, GivenVpc

T = TypeVar("T")


@dataclass(frozen=True)
class Account:
    """The id of the account, and the id of the AMI for new machines."""

    id: str
    ami: str


def inspect_account(machines: AwsSection, provider: aws.Provider) -> Account:
    """Check that credentials, zones and given subnets exist, and find the AMI.

    Raises pulumi.RunError.
    """
    opts = pulumi.InvokeOptions(provider=provider)
    account = str(_ask("who this is", machines, lambda: aws.get_caller_identity(opts=opts)).account_id)
    found: list[Finding] = []
    if machines.network.vpc:
        found += _subnets(machines, machines.network.vpc, opts)
    else:
        found += _zones(machines, opts)
    if found:
        raise pulumi.RunError(str(ConfigError(found)))
    if machines.image.startswith("ami-"):
        return Account(account, machines.image)
    what = f"the AMI in the SSM parameter {machines.image} (hardway:machines.image)"
    answer = _ask(what, machines, lambda: aws.ssm.get_parameter(name=machines.image, opts=opts))
    return Account(account, str(answer.insecure_value))


def _zones(machines: AwsSection, opts: pulumi.InvokeOptions) -> list[Finding]:
    answer = _ask("its zones", machines, lambda: aws.get_availability_zones(state="available", opts=opts))
    there = [name.removeprefix(machines.region) for name in answer.names]
    return [
        Finding(f"machines.network.zones[{index}]", f"{zone!r} is no zone of {machines.region}", ", ".join(there))
        for index, zone in enumerate(machines.network.zones)
        if zone not in there
    ]


def _subnets(machines: AwsSection, vpc: GivenVpc, opts: pulumi.InvokeOptions) -> list[Finding]:
    found = []
    for index, subnet in enumerate(vpc.subnets):
        answer = _ask(f"the subnet {subnet.id}", machines, partial(aws.ec2.get_subnet, id=subnet.id, opts=opts))
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


def _ask(what: str, machines: AwsSection, call: Callable[[], T]) -> T:
    try:
        return call()
    except Exception as error:
        raise pulumi.RunError(f"AWS in {machines.region} does not tell {what}: {_sentence(error)}") from None


def _sentence(error: Exception) -> str:
    """The relevant part of the provider's message, on one line."""
    text = re.sub(r"\s+", " ", str(error)).strip()
    if re.search(r"no valid credential sources|NoCredentialProviders|failed to refresh cached credentials", text, re.I):
        return (
            "there are no credentials; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "or run where an IAM role provides them"
        )
    if refused := re.search(r"api error (\w+: [^:]+(?:: [^:]+)?)", text):
        return refused[1].rstrip(". ")
    return text[:300]
