"""Compares architectures of the page with AWS: instance types, AMIs, and machines that run already.

Only arm64 machines are compared. For a page without arm64, the rules of the page are enough, and AWS is not asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import pulumi
import pulumi_aws as aws

from components.architecture import AMD64, ARM64
from components.config import Finding, Page
from components.config.aws import AwsSection
from components.config.aws_places import place_nodes
from components.machines.aws.question import ask
from components.machines.aws.tags import Tags

_IN_AWS = {AMD64: "x86_64", ARM64: "arm64"}
"""The names of architectures in EC2."""
_OURS = {name: ours for ours, name in _IN_AWS.items()}
_EXISTING = ["pending", "running", "stopping", "stopped"]


def used(page: Page, machines: AwsSection) -> tuple[str, ...]:
    """The architectures of nodes and bastion, sorted."""
    bastion = {machines.bastion.architecture} if machines.bastion else set()
    return tuple(sorted({*page.architectures, *bastion}))


def wrong_processors(
    page: Page, machines: AwsSection, amis: Mapping[str, str], tags: Tags, opts: pulumi.InvokeOptions
) -> Iterator[Finding]:
    """What differs between the page and AWS. `amis` are the ids of AMIs by architecture."""
    if ARM64 in amis:
        yield from _types(page, machines, opts)
        yield from _ami(machines, amis[ARM64], opts)
        yield from _running(page, machines, tags, opts)


def _types(page: Page, machines: AwsSection, opts: pulumi.InvokeOptions) -> Iterator[Finding]:
    groups = {f"machines.{machines.group_of(node.roles)[0]}" for node in page.nodes}
    for path, kind in machines.kinds():
        if kind.architecture != ARM64 or path not in {*groups, "machines.bastion"}:
            continue
        query = partial(aws.ec2.get_instance_type, instance_type=kind.type, opts=opts)
        real = ask(f"the instance type {kind.type} (hardway:{path}.type)", machines, query).supported_architectures
        if ARM64 not in real:
            known = " and ".join(_OURS.get(name, name) for name in real)
            problem = f"{kind.type!r} is an instance type for {known} in AWS, and {path}.architecture is {ARM64}"
            yield Finding(f"{path}.type", problem, "an instance type such as m7g.large")


def _ami(machines: AwsSection, ami: str, opts: pulumi.InvokeOptions) -> Iterator[Finding]:
    key, value = machines.images[ARM64]
    query = partial(
        aws.ec2.get_ami,
        filters=[{"name": "image-id", "values": [ami]}],
        include_deprecated=True,
        opts=opts,
    )
    real = ask(f"the AMI {ami} (hardway:machines.{key})", machines, query).architecture
    if real != _IN_AWS[ARM64]:
        what = value if value == ami else f"{value} holds {ami}, which"
        problem = f"{what} is an AMI for {_OURS.get(real, real)}"
        yield Finding(f"machines.{key}", problem, f"an AMI for {ARM64}")


def _running(page: Page, machines: AwsSection, tags: Tags, opts: pulumi.InvokeOptions) -> Iterator[Finding]:
    """A machine that exists keeps its processor: AWS would stop the machine and then refuse the other type."""

    def amd64_machines(**more: str) -> set[str]:
        """Private addresses of machines of the stack that exist."""
        wanted = {"architecture": _IN_AWS[AMD64], "tag:hardway:stack": tags.stack, "tag:hardway:cluster": tags.cluster}
        filters = [{"name": name, "values": [value]} for name, value in {**wanted, **more}.items()]
        query = partial(aws.ec2.get_instances, filters=filters, instance_state_names=_EXISTING, opts=opts)
        return set(ask("which machines of the stack exist", machines, query).private_ips)

    others = amd64_machines()
    places = place_nodes(machines, page.nodes)
    for index, node in enumerate(page.nodes):
        if page.architecture_of(node) == ARM64 and places[node.name].address in others:
            key = page.machines.architecture_key(node.roles)
            problem = f"the machine of {node.name} exists and is {AMD64}, and {key} is {ARM64}"
            allowed = f"{key}: {AMD64}; for another one take the node off the page, run `up`, and add the node again"
            yield Finding(f"nodes[{index}]", problem, allowed)
    wanted = machines.bastion.architecture if machines.bastion else AMD64
    if wanted == ARM64 and amd64_machines(**{"tag:Name": tags.of("bastion")["Name"]}):
        problem = f"{ARM64!r} is not the architecture of the bastion that exists, {AMD64}"
        allowed = f"{AMD64}; for another one take the bastion off the page, run `up`, and add the bastion again"
        yield Finding("machines.bastion.architecture", problem, allowed)
