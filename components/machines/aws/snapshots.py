"""The rights of the members of etcd on the bucket of their snapshots, and the bucket itself if the program makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.config import Page
from components.config.aws import AwsSection
from components.config.backup import S3Target
from components.config.s3 import bucket_arn, bucket_name
from components.machines.aws.bucket import AwsBucket, AwsBucketArgs
from components.machines.aws.rights import MAY_BE_INSTANCES, snapshot_rights
from components.machines.aws.tags import Tags

_NAME = "snapshots"


@dataclass(frozen=True)
class Snapshots:
    """The name of the bucket, the instance profile of members, and what has to exist before a member uses both."""

    bucket: str
    profile: pulumi.Output[str]
    ready: Sequence[pulumi.Resource]


def make_snapshots(
    page: Page, machines: AwsSection, account: str, tags: Tags, opts: pulumi.ResourceOptions
) -> Snapshots | None:
    """The role, and the bucket if the page has `create`. None if members need no role."""
    target = page.backup.to if page.backup else None
    if not (isinstance(target, S3Target) and target.by_role):
        return None
    bucket = target.bucket or bucket_name(account, machines.region, tags.stack, tags.cluster)
    arn = bucket_arn(machines.region, bucket)
    ready: list[pulumi.Resource] = []
    if target.create:
        ready += AwsBucket(_NAME, AwsBucketArgs(target.create, bucket, arn, tags), opts).ready
    role, profile = make_role(f"{tags.cluster}-{_NAME}", tags, _NAME, opts)
    # A bucket that exists may be in another account, if its policy allows that.
    rights = snapshot_rights(arn, target.prefix, account if target.create else None)
    ready.append(aws.iam.RolePolicy(_NAME, role=role.name, policy=rights, opts=opts))
    return Snapshots(bucket, profile, ready)


def make_role(name: str, tags: Tags, tag: str, opts: pulumi.ResourceOptions) -> tuple[aws.iam.Role, pulumi.Output[str]]:
    """A role that instances may have, without rights, and the name of its instance profile."""
    role = aws.iam.Role(name, assume_role_policy=MAY_BE_INSTANCES, tags=tags.of(tag), opts=opts)
    profile: pulumi.Output[str] = aws.iam.InstanceProfile(name, role=role.name, tags=tags.of(tag), opts=opts).name
    return role, profile
