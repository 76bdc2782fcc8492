"""The POSIX shell scripts that run on nodes.

Each script reads two environment variables, which only unit tests set:

- `HARDWAY_SYSROOT` (default: empty) is the prefix of every path of the machine, such as `/etc` or `/proc`.
- `HARDWAY_ROOT` (default: `$HARDWAY_SYSROOT/opt/kubernetes`) is the folder with the releases.

The `TRAVELLING` scripts are in the payload of a release and not in its digest: a changed script is not a changed
release. All other scripts are files of releases: a changed text changes the digests of running clusters.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_OF_EVERY_NODE = (
    *("apply", "stage", "download", "versions", "generations", "still_needed", "drain", "remove"),
    *("tokens", "kubelet_renew", "clock", "space", "status", "alone", "cis"),
)
_OF_SERVERS = ("settle", "grant", "snapshots", "backup", "restore", "defrag")
"""For machines with etcd or an API server."""
TRAVELLING = (*_OF_EVERY_NODE, *_OF_SERVERS)
_SERVERS = {"etcd.service", "kube-apiserver.service"}


def path(name: str) -> Path:
    """The path of a script."""
    return Path(__file__).with_name(f"{name}.sh")


def text(name: str) -> str:
    """The text of a script."""
    return path(name).read_text()


def travelling(units: Iterable[str]) -> tuple[str, ...]:
    """The names of the scripts in the payload for a node with these units."""
    return TRAVELLING if _SERVERS & {*units} else _OF_EVERY_NODE


def without_comments(script: str) -> str:
    """A script without the lines that are only a comment.

    The state contains the payload of each node twice, and Pulumi writes the state after every step. No here-document
    and no quoted text of the scripts has such a line; a unit test says so.
    """
    first, *lines = script.splitlines(keepends=True)
    return first + "".join(line for line in lines if not line.lstrip().startswith("#"))
