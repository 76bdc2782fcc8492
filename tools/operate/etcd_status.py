"""What a member of etcd says about itself: `etcdctl endpoint status --write-out=json`."""

from __future__ import annotations

import json
from dataclasses import dataclass

from components.config.etcd import MEBIBYTE

NO_SPACE = "NOSPACE"
"""The alarm of etcd that refuses every write."""
LEAST_FREE = 100 * MEBIBYTE
"""Bytes: a defragmentation that frees less is not worth it."""


@dataclass(frozen=True)
class MemberStatus:
    """Ids, revision, and sizes in bytes. `quota` is 0 if etcd is older than 3.6.

    `leader` is 0 if the member knows no leader. `errors` are those of the cluster, alarms among them.
    """

    id: int
    leader: int
    version: str
    size: int
    in_use: int
    quota: int
    revision: int
    learner: bool
    errors: tuple[str, ...]

    @property
    def leads(self) -> bool:
        """Whether the member is the leader."""
        return self.id == self.leader

    @property
    def is_fragmented(self) -> bool:
        """Whether a defragmentation is worth it: more than 100 MiB, and more than half of the file, is free."""
        free = self.size - self.in_use
        return free > LEAST_FREE and free > self.size / 2

    @property
    def alarms(self) -> tuple[str, ...]:
        """The names of the alarms of all members, from errors such as `memberID:1  alarm:NOSPACE`."""
        names = {error.partition("alarm:")[2].strip() for error in self.errors}
        return tuple(sorted(names - {""}))


def parse(answer: str) -> MemberStatus:
    """Read the answer for one member, which leaves out what is zero. Raises ValueError or LookupError."""
    found = json.loads(answer)[0]["Status"]
    header = found["header"]
    return MemberStatus(
        id=header["member_id"],
        leader=found.get("leader", 0),
        version=found["version"],
        size=found.get("dbSize", 0),
        in_use=found.get("dbSizeInUse", 0),
        quota=found.get("dbSizeQuota", 0),
        revision=header.get("revision", 0),
        learner=found.get("isLearner", False),
        errors=tuple(found.get("errors", ())),
    )
