"""Rules about snapshots of etcd and about a restore."""

from collections.abc import Iterator

from components.config.backup import FolderTarget, S3Target
from components.config.errors import Finding
from components.config.page import Page


def credentials(page: Page) -> Iterator[Finding]:
    """An access key has a name and a secret. Without both, members use the role of their instance, which AWS has."""
    if page.backup is None or not isinstance(target := page.backup.to, S3Target):
        return
    path, name, secret = "backup.to", target.access_key_id, target.secret_access_key
    if (name is None) != (secret is None):
        missing = "accessKeyId" if name is None else "secretAccessKey"
        yield Finding(f"{path}.{missing}", "is missing", "accessKeyId and secretAccessKey together, or neither")
    elif name is None and page.machines.provider != "aws":
        problem = f"is missing, machines of the provider {page.machines.provider} have no role in AWS"
        yield Finding(f"{path}.accessKeyId", problem, "accessKeyId and secretAccessKey")


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
