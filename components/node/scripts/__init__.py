"""The POSIX shell scripts that run on nodes.

Each script reads two environment variables, which only unit tests set:

- `HARDWAY_SYSROOT` (default: empty) is the prefix of every path of the machine, such as `/etc` or `/proc`.
- `HARDWAY_ROOT` (default: `$HARDWAY_SYSROOT/opt/kubernetes`) is the folder with the releases.

The `TRAVELLING` scripts are in the payload of a release and not in its digest: a changed script is not a changed
release. All other scripts are files of releases: a changed text changes the digests of running clusters.
"""

from __future__ import annotations

from pathlib import Path

TRAVELLING = (
    *("apply", "stage", "download", "versions", "generations", "still_needed", "drain", "remove"),
    *("tokens", "kubelet_renew", "settle", "grant", "clock", "snapshots", "backup", "restore", "space", "defrag"),
    *("status", "alone", "cis"),
)


def path(name: str) -> Path:
    """The path of a script."""
    return Path(__file__).with_name(f"{name}.sh")


def text(name: str) -> str:
    """The text of a script."""
    return path(name).read_text()
