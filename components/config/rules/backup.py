"""Rules about snapshots of etcd and about a restore."""

from collections.abc import Iterator

from components.config.aws import AwsSection
from components.config.backup import BUCKET_NAMES, FolderTarget, S3Target, is_new_bucket
from components.config.errors import Finding
from components.config.page import Page
from components.config.rules.certificates import certificate_findings
from components.config.s3 import is_endpoint_of_aws, is_region, partition_of, region_of

_NEW_NAMES = (
    "3 to 63 lower case letters, digits and '-', without the beginnings and ends that S3 reserves, such as xn-- and "
    "-s3alias"
)


def bucket(page: Page) -> Iterator[Finding]:
    """A bucket of S3 exists and has a name, or `create` makes it in the region of the machines, which are in AWS."""
    if (target := _s3(page)) is None:
        return
    path, given = "backup.to", target.model_fields_set
    if target.create is None:
        if target.bucket is None:
            yield Finding(f"{path}.bucket", "is missing", f"{BUCKET_NAMES}; or create, for a new bucket in AWS")
        return
    if not isinstance(machines := page.machines, AwsSection):
        problem = f"machines of the provider {machines.provider} are not in AWS, so the program makes no bucket there"
        yield Finding(f"{path}.create", problem, "the name of a bucket that exists, with an access key")
        return
    if target.bucket is not None and not is_new_bucket(target.bucket):
        yield Finding(f"{path}.bucket", f"{target.bucket!r} is no name for a new bucket in AWS", _NEW_NAMES)
    if "endpoint" in given:
        problem = f"{target.endpoint!r} is given, and a new bucket is in S3 of the region of the machines"
        yield Finding(f"{path}.endpoint", problem, "no endpoint with create")
    if target.region not in (None, machines.region):
        problem = f"{target.region!r} is another region than that of the machines, in which a new bucket is"
        yield Finding(f"{path}.region", problem, f"{machines.region}, or no region with create")
    if machines.network.vpc is None and machines.network.nat == "none":
        problem = "members cannot reach a bucket, since machines.network.nat is 'none'"
        yield Finding(f"{path}.create", problem, "machines.network.nat: one or perZone, or an existing VPC")


def role(page: Page) -> Iterator[Finding]:
    """A role takes the place of an access key, for machines in AWS and a bucket there."""
    if (target := _s3(page)) is None:
        return
    path = "backup.to.role"
    if target.create is not None and target.role is False:
        yield Finding(path, "members get rights on a bucket that the program makes only by a role", "true, or unset")
    if target.create is not None or not target.role:
        return
    if not isinstance(machines := page.machines, AwsSection):
        problem = f"machines of the provider {machines.provider} have no role in AWS"
        yield Finding(path, problem, "accessKeyId and secretAccessKey")
        return
    if "endpoint" in target.model_fields_set and not is_endpoint_of_aws(target.endpoint):
        problem = f"{target.endpoint!r} is not in AWS, and only AWS knows the role"
        yield Finding("backup.to.endpoint", problem, "no endpoint with role, or one of S3 that ends in amazonaws.com")
    named = region_of(target.endpoint)
    if target.region and not is_region(target.region):
        yield Finding("backup.to.region", f"{target.region!r} is not an AWS region", "a region, such as eu-central-1")
    elif target.region and named and target.region != named:
        problem = f"{target.region!r} is another region than that of the endpoint {target.endpoint}"
        yield Finding("backup.to.region", problem, f"{named}, or no region, or no endpoint")
    elif (region := target.region or named) and partition_of(region) != partition_of(machines.region):
        problem = f"{region!r} is in another partition of AWS than {machines.region}, which does not know the role"
        key = "region" if target.region else "endpoint"
        yield Finding(f"backup.to.{key}", problem, f"a region in the partition {partition_of(machines.region)}")


def credentials(page: Page) -> Iterator[Finding]:
    """An access key has a name and a secret. Without both, members use the role of their instance, which AWS has."""
    if (target := _s3(page)) is None:
        return
    path, name, secret = "backup.to", target.access_key_id, target.secret_access_key
    if target.by_role:
        for key, value in (("accessKeyId", name), ("secretAccessKey", secret)):
            if value is not None:
                problem = f"is given, and {'create' if target.create else 'role'} says that members use a role"
                yield Finding(f"{path}.{key}", problem, "an access key, or a role")
                return
    elif (name is None) != (secret is None):
        missing = "accessKeyId" if name is None else "secretAccessKey"
        yield Finding(f"{path}.{missing}", "is missing", "accessKeyId and secretAccessKey together, or neither")
    elif name is None and page.machines.provider != "aws":
        problem = f"is missing, machines of the provider {page.machines.provider} have no role in AWS"
        yield Finding(f"{path}.accessKeyId", problem, "accessKeyId and secretAccessKey")


def certificates_of_server(page: Page) -> Iterator[Finding]:
    """The certificates that verify the server of S3 can be read, and one has not ended."""
    if (target := _s3(page)) and target.ca is not None:
        yield from certificate_findings("backup.to.ca", target.ca)


def kept(page: Page) -> Iterator[Finding]:
    """At least one snapshot stays."""
    if page.backup and not any(page.backup.keep.model_dump().values()):
        yield Finding("backup.keep", "keeps no snapshot", "at least one number above 0")


def folder(page: Page) -> Iterator[Finding]:
    """A folder is not inside of a directory that is lost with the data of etcd."""
    if page.backup is None or not isinstance(target := page.backup.to, FolderTarget):
        return
    lost = (page.etcd.data_dir, page.etcd.wal_dir, "/opt/kubernetes")
    for directory in filter(None, lost):
        if f"{target.path}/".startswith(f"{directory}/") or f"{directory}/".startswith(f"{target.path}/"):
            problem = f"{target.path!r} is lost together with {directory}"
            yield Finding("backup.to.path", problem, "a directory of another file system that all members share")


def restore(page: Page) -> Iterator[Finding]:
    """A restore needs the place of the snapshots."""
    if page.restore and page.backup is None:
        yield Finding("restore", "there is no place to restore from", "hardway:backup with the place of the snapshots")


def _s3(page: Page) -> S3Target | None:
    return page.backup.to if page.backup and isinstance(page.backup.to, S3Target) else None
