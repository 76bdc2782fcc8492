"""The types with which renderers describe the wanted state of a node."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Literal, TypeVar

T = TypeVar("T")

ROOT = "/opt/kubernetes"
"""The directory of hardway on a node. Its links `cfg`, `bin` and `ssl` always lead to the current release."""
GENERATIONS = "cfg/generations"
"""The file of a release with the generations of the keys of its node (components/node/generations.py)."""


@dataclass(frozen=True)
class Ref:
    """The name of a piece of material, such as `kubernetes-ca:cert`. `NodeRelease` replaces it with the text."""

    name: str


@dataclass(frozen=True)
class NodeFile:
    """A file of a release: `path` is relative to the release (`cfg/…`, `ssl/…`), owner and group are always root.

    If one service besides root may read the file, then `reader` is the user of this service, and the mode is 0600.
    """

    path: str
    content: str | Ref
    mode: int = 0o644
    reader: str | None = None

    def __post_init__(self) -> None:
        if self.reader and self.mode != 0o600:
            raise ValueError(f"{self.path} is for {self.reader} alone, but its mode is {self.mode:o}; allowed: 600")


@dataclass(frozen=True)
class Directory:
    """A directory outside of releases that belongs to a service and stays if releases change."""

    path: str
    owner: str = "root"
    mode: int = 0o755


@dataclass(frozen=True)
class Unit:
    """A systemd unit, and the changes for which it has to be restarted or reloaded.

    `restart_on` names the files and artifacts of the release for whose change the service has to be restarted.
    `reload_on` names the files for whose change `systemctl reload` is enough. Files that the service reads again by
    itself are in neither. `health` is a POSIX shell command that exits 0 as soon as the service works.
    """

    name: str
    text: str
    restart_on: tuple[str, ...] = ()
    reload_on: tuple[str, ...] = ()
    health: str = "true"
    leave: str = ""
    """A POSIX command that runs before the service is removed from a machine that stays. The command may refuse."""
    starts: bool = True
    """Whether an activation starts the unit and waits for its health. If not, the unit is only installed, and another
    unit, such as a timer, starts it. A change of such a unit restarts nothing: the next start uses the new text."""
    shows: tuple[str, str] | None = None
    """An address on which the service shows a TLS certificate, and the file of the release with this certificate."""


def scheduled(name: str, service: str, timer: str) -> tuple[Unit, Unit]:
    """The units `NAME.service`, a oneshot service that only its timer starts, and `NAME.timer`, from their texts.

    An activation enables and starts the timer, and restarts the timer if the timer's own text changes.
    """
    unit = f"{name}.timer"
    return (
        Unit(f"{name}.service", service, starts=False),
        Unit(unit, timer, health=f"systemctl is-active --quiet {unit}"),
    )


@dataclass(frozen=True)
class Remnant:
    """What a program leaves on a machine outside of releases; the script that cleans the machine removes it.

    `name` is the name of an interface (shell patterns are allowed), of an nftables table in the families ip and ip6,
    the prefix of the names of iptables chains, a network (CIDR) whose routes are removed, a directory or file, or a
    directory that is removed if nothing is in it any more.
    """

    kind: Literal["interface", "nftables", "chain", "routes", "directory", "empty-directory"]
    name: str


@dataclass(frozen=True)
class NodePart:
    """What one role or one service adds to a node. Units start in the order in which parts are merged."""

    files: tuple[NodeFile, ...] = ()
    units: tuple[Unit, ...] = ()
    artifacts: tuple[str, ...] = ()
    directories: tuple[Directory, ...] = ()
    users: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    """Programs that the operating system has to provide, such as `haproxy`."""
    remnants: tuple[Remnant, ...] = ()


def merge(parts: Iterable[NodePart]) -> NodePart:
    """One part with everything of all parts. Equal entries of several parts are kept once.

    Raises ValueError if two parts have different content for the same path or unit name.
    """
    parts = tuple(parts)
    merged = NodePart(
        files=_unique(part.files for part in parts),
        units=_unique(part.units for part in parts),
        artifacts=_unique(part.artifacts for part in parts),
        directories=_unique(part.directories for part in parts),
        users=_unique(part.users for part in parts),
        commands=_unique(part.commands for part in parts),
        remnants=_unique(part.remnants for part in parts),
    )
    for names in ([f.path for f in merged.files], [u.name for u in merged.units]):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two parts of one node disagree about {', '.join(twice)}")
    return merged


def _unique(groups: Iterable[Iterable[T]]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(groups)))
