"""What a machine says of itself: the lines of components/node/scripts/status.sh."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tools.operate.etcd_status import MemberStatus
from tools.operate.etcd_status import parse as parse_member


@dataclass(frozen=True)
class UnitState:
    """A systemd unit. `problem` is why its health check failed, empty if it succeeded after `milliseconds`."""

    name: str
    state: str
    restarts: int
    milliseconds: int
    problem: str

    @property
    def is_healthy(self) -> bool:
        """Whether the unit runs and its health check succeeds."""
        return self.state == "active" and not self.problem


@dataclass(frozen=True)
class Disk:
    """A file system by a directory of the node on it. Sizes in bytes."""

    directory: str
    size: int
    free: int


@dataclass(frozen=True)
class Snapshot:
    """The newest snapshot of etcd, in UTC; None if there is none. The page wants one every `every`."""

    taken: datetime | None
    every: timedelta


@dataclass(frozen=True)
class Machine:
    """The state of one machine. If `silence` is not empty, then it says why the machine gave no answer."""

    node: str
    silence: str = ""
    release: str = ""
    is_unfinished: bool = False
    clock: datetime | None = None
    versions: tuple[tuple[str, str], ...] = ()
    units: tuple[UnitState, ...] = ()
    stale: tuple[str, ...] = ()
    """The units that show another certificate than the one in their file."""
    disks: tuple[Disk, ...] = ()
    member: MemberStatus | None = None
    snapshot: Snapshot | None = None


def parse(node: str, text: str) -> Machine:
    """Read the output of status.sh, which may have other lines. Raises ValueError if facts are missing or wrong."""
    facts: dict[str, list[list[str]]] = {}
    for line in text.splitlines():
        name, *fields = line.split("\t")
        facts.setdefault(name, []).append(fields)
    try:
        ((release, whole),), ((clock,),) = facts["release"], facts["clock"]
        return Machine(
            node=node,
            release=release,
            is_unfinished=whole != "whole",
            clock=_time(clock),
            versions=tuple((name, version) for name, version in facts.get("version", ())),
            units=tuple(UnitState(n, s, int(r or 0), int(ms), why) for n, s, r, ms, why in facts.get("unit", ())),
            stale=tuple(name for name, same in facts.get("shown", ()) if same != "same"),
            disks=tuple(Disk(directory, int(size), int(free)) for directory, size, free in facts.get("disk", ())),
            member=next((parse_member(found) for (found,) in facts.get("etcd", ())), None),
            snapshot=next((_snapshot(*fields) for fields in facts.get("snapshot", ())), None),
        )
    except (KeyError, TypeError, ValueError, IndexError):
        raise ValueError(f"it printed something else than its state: {text.strip()[:80]!r}") from None


def _time(seconds: str) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def _snapshot(taken: str, every: str) -> Snapshot:
    return Snapshot(_time(taken) if int(taken) else None, timedelta(seconds=int(every)))
