"""Names in Amazon S3 that follow from a region: https://docs.aws.amazon.com/general/latest/gr/s3.html. Pure."""

import hashlib
import re
from urllib.parse import urlsplit

# Partitions, https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html, by the first letters of a region.
_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
# Also in names of endpoints of a VPC, with dualstack, with FIPS, and the old form s3-REGION.
_REGION = re.compile(r"(?:^|\.)s3(?:-fips)?[.-](?:dualstack\.)?([a-z]{2}(?:-[a-z]+)+-[0-9]+)\.")
_IS_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]+")
_READABLE = 36
"""Characters of a generated name for cluster and stack. The whole name has at most 57 characters; S3 allows 63."""


def partition_of(region: str) -> str:
    """The partition of AWS that has a region. ARNs begin with its name."""
    return next((name for start, name in _PARTITIONS.items() if region.startswith(start)), "aws")


def endpoint_of(region: str) -> str:
    """URL of S3 in a region."""
    return f"https://s3.{region}.{'amazonaws.com.cn' if partition_of(region) == 'aws-cn' else 'amazonaws.com'}"


def is_endpoint_of_aws(url: str) -> bool:
    """Whether a URL leads to AWS, directly or over an endpoint of a VPC."""
    host = urlsplit(url).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def is_region(text: str) -> bool:
    """Whether a text has the form of a region, such as eu-central-1."""
    return _IS_REGION.fullmatch(text) is not None


def region_of(url: str) -> str | None:
    """The region that the host of a URL of S3 names. None if the host names none, such as s3.amazonaws.com."""
    found = _REGION.search(urlsplit(url).hostname or "") if is_endpoint_of_aws(url) else None
    return found[1] if found else None


def bucket_arn(region: str, bucket: str) -> str:
    """The ARN of a bucket in the partition of a region."""
    return f"arn:{partition_of(region)}:s3:::{bucket}"


def bucket_name(account: str, region: str, stack: str, cluster: str) -> str:
    """A name that no other stack has: names of buckets are unique in all accounts of a partition.

    Everything in it is fixed for a running cluster, so the name is stable, and every preview knows it.
    """
    digest = hashlib.sha256("/".join((account, region, stack, cluster)).encode()).hexdigest()[:12]
    readable = re.sub(r"[^a-z0-9]+", "-", f"{cluster}-{stack}".lower())[:_READABLE].strip("-")
    return f"hardway-{readable}-{digest}"
