"""What roles and buckets allow, as policy documents of IAM. Pure, so a preview shows every right.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html has the actions, and which of them
are about a bucket and which about objects.
"""

from __future__ import annotations

import json

_VERSION = "2012-10-17"

MAY_BE_INSTANCES = json.dumps(
    {
        "Version": _VERSION,
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}},
        ],
    }
)
"""Only instances may take the role."""


def snapshot_rights(arn: str, prefix: str, account: str | None) -> str:
    """What restic does with a bucket: it lists, and reads, writes and removes objects below the prefix.

    Nothing else: the role neither deletes nor reads older versions, so who has the role can delete no snapshot before
    `noncurrentDays` have passed. restic sends objects in one piece up to 200 MiB, and its objects are smaller, so there
    are no rights on parts of uploads. With `account`, the bucket has to be in this account: another account that gets
    the name after the bucket is deleted gets no snapshots.

    The right to list is for the whole bucket. S3 answers 404 for an object that does not exist only to who may list the
    bucket, with 403 to others (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html), and restic has to
    know whether there is a repository.
    """
    only = {"Condition": {"StringEquals": {"aws:ResourceAccount": account}}} if account else {}
    objects = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    statements = [
        {"Sid": "List", "Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [arn], **only},
        {"Sid": "Objects", "Effect": "Allow", "Action": objects, "Resource": [f"{arn}/{prefix}/*"], **only},
    ]
    return json.dumps({"Version": _VERSION, "Statement": statements})


def encrypted_only(arn: str) -> str:
    """Refuses every request over plain http, whoever sends it."""
    refusal = {
        "Sid": "EncryptedOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": _VERSION, "Statement": [refusal]})
