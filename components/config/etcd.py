"""`hardway:etcd`: where etcd keeps its data and how it is tuned."""

from typing import Annotated, Literal

from components.config.names import DirectoryPath
from components.config.section import Choice, Rule, Section, whole

MEBIBYTE = 1024 * 1024
LONGEST_ELECTION = 50000

# "System limits" suggests at most 8 GiB. Less than 16 MiB, which "Maintenance" fills in a moment, is a mistake.
_QUOTA = whole("whole number", 16 * MEBIBYTE, 8192 * MEBIBYTE, "bytes", note="16 MiB to 8 GiB")
_RETENTION = Rule(
    "duration or number",
    "a duration such as 8h or 30m (periodic), or a number of revisions such as 10000 (revision)",
    accepts=(str, int),
    convert=str,
)


class Etcd(Section):
    """etcd. Sources: the chapters "Tuning", "Maintenance" and "System limits" of its documentation."""

    wal_dir: DirectoryPath | None = None
    """Directory of the write-ahead log, best on a disk of its own. Unset: inside `dataDir`."""
    data_dir: DirectoryPath = "/var/lib/etcd"
    """Directory of the data."""
    heartbeat_interval: Annotated[int, whole("whole number", 10, 5000, "ms")] = 100
    """Time between two heartbeats of the leader, about the round trip between members."""
    election_timeout: Annotated[int, whole("whole number", 50, LONGEST_ELECTION, "ms")] = 1000
    """Time without heartbeat after which a member stands for election. At least 5 times the heartbeat."""
    quota_backend_bytes: Annotated[int, _QUOTA] = 2048 * MEBIBYTE
    """Size of the database at which etcd refuses writes."""
    auto_compaction_mode: Annotated[Literal["periodic", "revision"], Choice()] = "periodic"
    """Whether `autoCompactionRetention` is a time or a number of revisions."""
    auto_compaction_retention: Annotated[str, _RETENTION] = "8h"
    """How much history is kept."""
    snapshot_count: Annotated[int, whole("whole number", 100, 1000000, "transactions")] = 10000
    """Transactions after which etcd writes a snapshot and drops the log before it."""
