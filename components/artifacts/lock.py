"""The lock: for each artifact and version its URLs with sha256, for each image its reference with digest.

Nothing without a digest is ever fetched. The upstream lock is committed beside this file; the lock of the
local mirror is written by `make tools`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FILL = "`make lock` fills it in (it needs the network)"
UPSTREAM_LOCK = Path(__file__).with_name("upstream.lock.json")


class LockError(ValueError):
    """The lock lacks something: the text says what, and how to get it."""


@dataclass(frozen=True)
class Source:
    """One download; `files` maps the name of a program to its path inside the archive (empty: the file itself)."""

    url: str
    sha256: str
    archive: str | None
    files: Mapping[str, str]


@dataclass(frozen=True)
class Artifact:
    """A named set of programs in one version, for one architecture."""

    name: str
    version: str
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Lock:
    """A parsed lock file; `path` is only for messages."""

    path: Path
    data: Mapping[str, Any]

    def artifact(self, name: str, version: str, architecture: str = "amd64") -> Artifact:
        """The artifact in that version. Raises LockError if it, or the digest of one of its files, is missing."""
        versions = self.data["artifacts"].get(name, {})
        sources = versions.get(version, {}).get(architecture)
        if not sources:
            raise LockError(f"{self.path}: no {name} {version} for {architecture}; it has: {self._known(versions)}")
        for source in sources:
            if not source["sha256"]:
                raise LockError(f"{self.path}: no sha256 for {source['url']}; {_FILL}")
        return Artifact(name, version, tuple(Source(**source) for source in sources))

    def image(self, name: str, version: str) -> str:
        """The image's reference, pinned by digest. Raises LockError if either is missing."""
        versions = self.data["images"].get(name, {})
        image = versions.get(version)
        if not image:
            raise LockError(f"{self.path}: no image {name} {version}; it has: {self._known(versions)}")
        if not image["digest"]:
            raise LockError(f"{self.path}: no digest for {image['reference']}; {_FILL}")
        return f"{image['reference']}@{image['digest']}"

    @staticmethod
    def _known(versions: Mapping[str, Any]) -> str:
        return ", ".join(sorted(versions)) or "none"


def read_lock(path: Path) -> Lock:
    """Read a lock file. Raises LockError if it does not exist."""
    if not path.exists():
        raise LockError(f"{path}: not found; `make tools` writes the lock of the local mirror")
    return Lock(path, json.loads(path.read_text()))
