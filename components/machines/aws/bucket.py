"""The bucket for snapshots of etcd: private, versioned, encrypted, over TLS only."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.config.backup import NewBucket
from components.machines.aws.rights import encrypted_only
from components.machines.aws.tags import Tags


@dataclass(frozen=True)
class AwsBucketArgs:
    """The section `create` of the page, and the name, the ARN and the tags of the bucket."""

    page: NewBucket
    bucket: str
    arn: str
    tags: Tags


class AwsBucket(pulumi.ComponentResource):
    """A bucket with its settings. `ready` are the resources that have to exist before the first object comes."""

    ready: list[pulumi.Resource]

    def __init__(self, name: str, args: AwsBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hardway:machines:AwsBucket", name, {}, opts)
        self._name = name
        kept = pulumi.ResourceOptions(parent=self, protect=args.page.protected)
        bucket = aws.s3.Bucket(
            name,
            bucket=args.bucket,
            # AWS refuses to delete a bucket with objects or versions. With force_destroy, the provider would empty it.
            force_destroy=False,
            tags=args.tags.of(name),
            opts=kept,
        )
        # The settings go with the bucket: if AWS refuses to delete it, then it stays as private as it was.
        child = pulumi.ResourceOptions.merge(kept, pulumi.ResourceOptions(deleted_with=bucket))
        closed = aws.s3.BucketPublicAccessBlock(
            name,
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        owned = aws.s3.BucketOwnershipControls(
            name,
            bucket=bucket.id,
            rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
            opts=child,
        )
        versioned = aws.s3.BucketVersioning(
            name,
            bucket=bucket.id,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=child,
        )
        encrypted = self._encryption(bucket, child)
        # S3 refuses to change policy and access block of a bucket at the same time.
        policy = aws.s3.BucketPolicy(
            name,
            bucket=bucket.id,
            policy=encrypted_only(args.arn),
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[closed])),
        )
        self._lifecycle(
            bucket, args.page, pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[versioned]))
        )
        # Not the lifecycle: the provider waits for it, and no member has to.
        self.ready = [closed, owned, versioned, encrypted, policy]
        self.register_outputs({"bucket": bucket.bucket})

    def _encryption(self, bucket: aws.s3.Bucket, child: pulumi.ResourceOptions) -> pulumi.Resource:
        """With keys of S3. restic has already encrypted everything, so a key of KMS would protect against nobody more.

        A key of KMS would also be one more thing that can be lost, and need rights for the members.
        """
        default = aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
            sse_algorithm="AES256"
        )
        made: pulumi.Resource = aws.s3.BucketServerSideEncryptionConfiguration(
            self._name,
            bucket=bucket.id,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(apply_server_side_encryption_by_default=default)
            ],
            opts=child,
        )
        return made

    def _lifecycle(self, bucket: aws.s3.Bucket, page: NewBucket, opts: pulumi.ResourceOptions) -> None:
        rule = aws.s3.BucketLifecycleConfigurationRuleArgs(
            id="end-what-is-removed",
            status="Enabled",
            filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
            noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                noncurrent_days=page.noncurrent_days
            ),
            # Markers of removed objects, once no version is left. Objects themselves never end: restic removes them.
            expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(expired_object_delete_marker=True),
            abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                days_after_initiation=page.incomplete_days
            ),
        )
        aws.s3.BucketLifecycleConfiguration(
            self._name,
            bucket=bucket.id,
            rules=[rule],
            opts=opts,
        )
