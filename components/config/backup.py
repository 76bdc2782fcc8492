"""`hardway:backup` and `hardway:restore`: where snapshots of etcd go, how long they stay, which one comes back."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from shlex import quote
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from components.config.durations import span_rule
from components.config.existing import Flag, PrivateKey
from components.config.names import DirectoryPath, Port, San, certificates_rule, url_problem
from components.config.section import Rule, Section, whole
from components.config.ssh import HostKey, UserName

LATEST = "latest"
RESTORED = "restored"
"""The stack output with the number of the last restore that is complete, 0 if there was none."""
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_WORD = re.compile(r"[!-~]+")
_ID = re.compile(r"[0-9a-f]{8,64}")
_FILE = re.compile(r"file-[0-9a-f]{16}")
# Names that S3 reserves: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html. A dot would be
# allowed, but a certificate of S3 fits no bucket with a dot in its name.
_NEW_BUCKET = re.compile(
    r"(?!xn--|sthree-|amzn-s3-demo-)[a-z0-9][a-z0-9-]{1,61}[a-z0-9](?<!-s3alias)(?<!--ol-s3)(?<!--x-s3)(?<!--table-s3)"
)


def _endpoint_problem(value: str) -> str | None:
    return url_problem(value) or (None if value.startswith("https://") else "is not encrypted")


def _moment(value: str) -> datetime | None:
    """`2026-11-27T12:30:00Z` as a time in UTC. None if the text is not such a time."""
    try:
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def is_new_bucket(value: str) -> bool:
    """Whether S3 accepts a text as the name of a new bucket."""
    return _NEW_BUCKET.fullmatch(value) is not None


def is_snapshot(value: str) -> bool:
    """Whether a text names a snapshot: latest, an id, a time, or a file that the restoring machine has."""
    return bool(value == LATEST or _ID.fullmatch(value) or _FILE.fullmatch(value) or _moment(value))


def name_of_file(sha256: str) -> str:
    """The name of a snapshot that `make restore` sends from a file, by the digest of the database in it."""
    return f"file-{sha256[:16]}"


def _matches(pattern: re.Pattern[str], kind: str, allowed: str, name: str, private: bool = False) -> Rule:
    """A string of the shape `pattern`. `name` is in the message: "is not a word"."""
    problem = f"is not {name}"
    return Rule(kind, allowed, lambda value: None if pattern.fullmatch(value) else problem, private=private)


_WORDS = "printable ASCII characters without white space"
BUCKET_NAMES = "3 to 63 lower case letters, digits, dots and '-'"
"""What is allowed as the name of a bucket that exists."""
_BUCKET_NAME = _matches(_BUCKET, "bucket", BUCKET_NAMES, "a name of a bucket")
_PREFIX_NAME = _matches(
    _PREFIX,
    "prefix",
    "words of letters, digits and . _ -, with '/' between them, such as clusters/prod",
    "a prefix",
)
_PLAIN_WORD = _matches(_WORD, "word", _WORDS, "a word")
# A shell reads the region: nothing in it may mean something to a shell.
_REGION_NAME = _matches(
    re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"),
    "bucket region",
    "at most 64 letters, digits, '_' and '-'",
    "a region",
)
_SECRET_WORD = _matches(_WORD, "secret", _WORDS, "a word", private=True)
_CERTIFICATES = certificates_rule("the server, or the certificate of the server")
_Count = Annotated[int, whole("whole number", 0, 1000, "snapshots")]
_Days = Annotated[int, whole("whole number", 1, 3650, "days")]


class NewBucket(Section):
    """A bucket that the program makes in the account and the region of the machines, in AWS."""

    noncurrent_days: _Days = 30
    """How long the bucket keeps what members removed or replaced. S3 deletes it afterwards."""
    incomplete_days: _Days = 7
    """How long the bucket keeps the parts of an upload that nobody completed."""
    protected: Flag = True
    """Whether neither `make down` nor a change of the page can delete the bucket. S3 never deletes a bucket that is not
    empty, whatever this says."""


class S3Target(Section):
    """A bucket of S3, or of a server that speaks the protocol of S3."""

    kind: Literal["s3"] = "s3"
    """The kind of the place."""
    endpoint: Annotated[
        str, Rule("URL", "https://HOST[:PORT], without user, query and fragment", _endpoint_problem)
    ] = "https://s3.amazonaws.com"
    """URL of the server. If it is left out with `role` or `create`, then S3 in the region of the bucket."""
    bucket: Annotated[str, _BUCKET_NAME] | None = None
    """Name of the bucket, which exists unless `create` is set. Unset with `create`: a name that follows from account,
    region, stack and cluster; the output `backupBucket` has it."""
    create: NewBucket | None = None
    """The bucket that the program makes. Unset: the bucket exists."""
    role: Flag | None = None
    """Whether the program gives the members of etcd a role with rights on exactly this bucket, in AWS. With `create` it
    always does. Unset without `create`: no."""
    prefix: Annotated[str, _PREFIX_NAME]
    """Beginning of the names of all objects. Each cluster needs a prefix of its own."""
    region: Annotated[str, _REGION_NAME] | None = None
    """Region of the bucket. Unset: with `role` or `create` the region that `endpoint` names, or else that of the
    machines; with an access key the server tells."""
    access_key_id: Annotated[str, _PLAIN_WORD] | None = None
    """Name of the access key. Unset: members use the role of their instance, in AWS. Without `role` and `create`, that
    role has no rights until you add them."""
    secret_access_key: Annotated[str, _SECRET_WORD] | None = None
    """The access key, as a secret: `pulumi config set --path --secret 'hardway:backup.to.secretAccessKey'`."""
    ca: Annotated[str, _CERTIFICATES] | None = None
    """Certificates that verify the server. Unset: those that the operating system of the members trusts."""

    @property
    def by_role(self) -> bool:
        """Whether members have rights on the bucket by a role that the program makes."""
        return self.create is not None or self.role is True

    def credentials(self) -> str | None:
        """Variables for a shell, with the access key. None if members use the role of their instance."""
        if not (self.access_key_id and self.secret_access_key):
            return None
        pair = {"AWS_ACCESS_KEY_ID": self.access_key_id, "AWS_SECRET_ACCESS_KEY": self.secret_access_key}
        return "".join(f"{name}={quote(value)}\n" for name, value in pair.items())


class SftpTarget(Section):
    """A directory of a host, over SSH."""

    kind: Literal["sftp"] = "sftp"
    """The kind of the place."""
    host: San
    """Name or address of the host, as the members of etcd see it."""
    port: Port = 22
    """Port of the SSH server."""
    user: UserName
    """User on the host."""
    path: DirectoryPath
    """The directory. Each cluster needs a directory of its own."""
    host_key: HostKey
    """Public host key. Members connect to no server with another key."""
    private_key: PrivateKey
    """Private key of the user, as a secret: `pulumi config set --path --secret 'hardway:backup.to.privateKey'`."""

    def credentials(self) -> str | None:
        """The private key, as ssh reads it."""
        return self.private_key.strip() + "\n"


class FolderTarget(Section):
    """A directory that all members of etcd share, such as one that NFS provides."""

    kind: Literal["folder"] = "folder"
    """The kind of the place."""
    path: DirectoryPath
    """The directory, which exists on every member. The user `etcd` may write there."""

    def credentials(self) -> str | None:
        """None: the operating system decides who may write."""
        return None


class Keep(Section):
    """Which snapshots stay. A snapshot stays if one of the numbers keeps it."""

    last: _Count = 8
    """The newest snapshots."""
    hourly: _Count = 24
    """Hours, each with its newest snapshot."""
    daily: _Count = 7
    """Days, each with its newest snapshot."""
    weekly: _Count = 4
    """Weeks, each with its newest snapshot."""


def _kind_is_s3(value: Any) -> Any:
    return {**value, "kind": "s3"} if isinstance(value, Mapping) and value.get("kind") is None else value


class Backup(Section):
    """Snapshots of etcd: how often, where to, for how long."""

    to: Annotated[S3Target | SftpTarget | FolderTarget, Field(discriminator="kind"), BeforeValidator(_kind_is_s3)]
    """The place of the snapshots. They are encrypted before they leave a member."""
    every: Annotated[timedelta, span_rule("1m", "15m or 1h", "m or h")] = timedelta(minutes=15)
    """The longest time between two snapshots, and so the most that a restore loses."""
    keep: Keep = Keep()
    """Which snapshots stay."""


class Restore(Section):
    """A snapshot that takes the place of the data of etcd, once for each number. `make restore` writes this section."""

    number: Annotated[int, whole("whole number", 1, 100000)]
    """A restore happens once for each number. A higher number restores again."""
    snapshot: Annotated[
        str,
        Rule(
            "snapshot",
            "latest, the id of a snapshot (8 to 64 hexadecimal digits), a time such as 2026-11-27T12:30:00Z, which "
            "means the last snapshot before the time, or the name that `make restore` gives a file",
            lambda value: None if is_snapshot(value) else "names no snapshot",
        ),
    ] = LATEST
    """The snapshot. The machine that restores looks it up once for each number."""
