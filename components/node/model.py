"""The words in which a renderer says what a node should look like."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

T = TypeVar("T")

ROOT = "/opt/kubernetes"
"""Where everything of ours lies on a node; `cfg`, `bin` and `ssl` below it always lead to the current release."""


@dataclass(frozen=True)
class Ref:
    """Stands for a piece of PKI material, such as `kubernetes-ca:cert`, until the release resource fills it in."""

    name: str


@dataclass(frozen=True)
class NodeFile:
    """A file of a release: `path` is relative to the release (`cfg/…`, `ssl/…`), the owner is always root.

    A file that a service may read and others may not has that service's user as `group` and mode 0640.
    """

    path: str
    content: str | Ref
    group: str = "root"
    mode: int = 0o644


@dataclass(frozen=True)
class Directory:
    """A directory outside of releases, which a service owns and which outlives every release."""

    path: str
    owner: str = "root"
    mode: int = 0o755


@dataclass(frozen=True)
class Unit:
    """A systemd unit, and when it has to be restarted.

    `restart_on` names files and artifacts of the release whose change the service does not notice by itself;
    files which it reloads on its own are left out. `reload_on` names those for which `systemctl reload` is enough.
    `health` is a POSIX shell command that exits 0 once the service does its work.
    """

    name: str
    text: str
    restart_on: tuple[str, ...] = ()
    reload_on: tuple[str, ...] = ()
    health: str = "true"
    leave: str = ""
    """POSIX command for when the service is taken off a machine that stays, while it still runs; it may refuse."""


@dataclass(frozen=True)
class Part:
    """What one role, or one shared service, adds to a node. Units start in the order in which parts are merged."""

    files: tuple[NodeFile, ...] = ()
    units: tuple[Unit, ...] = ()
    artifacts: tuple[str, ...] = ()
    directories: tuple[Directory, ...] = ()
    users: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    """Programs the operating system has to bring, such as `haproxy`."""


def merge(parts: Iterable[Part]) -> Part:
    """One part with everything of all parts; what several of them ask for is kept once.

    Raises ValueError where two parts want different content under one path or unit name.
    """
    parts = tuple(parts)
    merged = Part(
        files=_unique(part.files for part in parts),
        units=_unique(part.units for part in parts),
        artifacts=_unique(part.artifacts for part in parts),
        directories=_unique(part.directories for part in parts),
        users=_unique(part.users for part in parts),
        commands=_unique(part.commands for part in parts),
    )
    for names in ([f.path for f in merged.files], [u.name for u in merged.units]):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two parts of one node disagree about {', '.join(twice)}")
    return merged


def _unique(groups: Iterable[Iterable[T]]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(groups)))
