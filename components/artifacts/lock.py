"""The lock: for each artifact and version its URLs with sha256, for each image its reference with digest.

The digest of an image is one text if it names the image of all architectures (an index), or one text for each
architecture. Nothing without a digest is ever fetched. The upstream lock is committed beside this file; the lock of the
local mirror is written by `make tools`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

_CONNECTED = "on a machine that reaches the internet"
_OF_KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl")
UPSTREAM_LOCK = Path(__file__).with_name("upstream.lock.json")


class LockError(ValueError):
    """The lock lacks something: the text says what, and how to get it."""


class MissingError(LockError):
    """An entry, or a digest of an entry, that a lock lacks."""

    def __init__(self, lock: Lock, problem: str, name: str, version: str) -> None:
        super().__init__(f"{lock.path}: {problem}; {lock.remedy([(name, version)])}")
        self.lock, self.problem, self.name, self.version = lock, problem, name, version


def all_missing(found: Sequence[MissingError]) -> LockError:
    """One error for several missing entries of one lock."""
    remedy = found[0].lock.remedy([(error.name, error.version) for error in found])
    return LockError(f"{found[0].lock.path}: {'; '.join(error.problem for error in found)}; {remedy}")


@dataclass(frozen=True)
class Source:
    """One download; `files` maps the name of a program to its path inside the archive (empty: the file itself)."""

    url: str
    sha256: str
    archive: str | None
    files: Mapping[str, str]


def in_mirror(source: Source, mirror: str | None = None) -> Source:
    """The same download from a mirror. Without the URL of a mirror, the literal `{mirror}` is in its place."""
    name = source.url.partition("?")[0].rpartition("/")[2]
    return replace(source, url=f"{mirror or '{mirror}'}/files/{source.sha256}/{name}")


@dataclass(frozen=True)
class Artifact:
    """A named set of programs in one version, for one architecture."""

    name: str
    version: str
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Lock:
    """A parsed lock file. `path` and `upstream` are for messages: what they advise is `make lock` or `make tools`.

    `mirrored`: release files come from a mirror, in which each file is below its digest.
    """

    path: Path
    data: Mapping[str, Any]
    upstream: bool = False
    mirrored: bool = False

    def artifact(self, name: str, version: str, architecture: str) -> Artifact:
        """The artifact in that version. Raises LockError if it, or the digest of one of its files, is missing."""
        versions = self.data["artifacts"].get(name, {})
        sources = versions.get(version, {}).get(architecture)
        if not sources:
            known = {each: files for each, files in versions.items() if files.get(architecture)}
            problem = f"no {name} {version} for {architecture}, it has: {self._known(known)}"
            raise MissingError(self, problem, name, version)
        for source in sources:
            if not source["sha256"]:
                raise MissingError(self, f"no sha256 for {source['url']}", name, version)
        found = tuple(Source(**source) for source in sources)
        return Artifact(name, version, tuple(map(in_mirror, found)) if self.mirrored else found)

    def image(self, name: str, version: str, architecture: str) -> str:
        """The image's reference, pinned by digest. Raises LockError if either is missing.

        Architectures have the same reference if the digest is that of an index.
        """
        versions = self.data["images"].get(name, {})
        image = versions.get(version)
        if not image:
            raise MissingError(self, f"no image {name} {version}, it has: {self._known(versions)}", name, version)
        digest = image["digest"]
        if isinstance(digest, Mapping):
            digest = digest.get(architecture)
        if not digest:
            problem = f"no digest for {image['reference']}"
            if isinstance(image["digest"], Mapping):
                problem += f" for {architecture}, it has: {self._known(image['digest'])}"
            raise MissingError(self, problem, name, version)
        return f"{image['reference']}@{digest}"

    @property
    def architectures(self) -> tuple[str, ...]:
        """The architectures of all files, sorted."""
        versions = (files for named in self.data["artifacts"].values() for files in named.values())
        return tuple(sorted({architecture for files in versions for architecture in files}))

    def remedy(self, wanted: Iterable[tuple[str, str]]) -> str:
        """What to run for entries that are missing, by name and version."""
        if self.upstream:
            added = {f"{'kubernetes' if name in _OF_KUBERNETES else name}={version}": None for name, version in wanted}
            return f'run `make lock ADD="{" ".join(added)}"` {_CONNECTED}'
        versions = {version: None for name, version in wanted if name in _OF_KUBERNETES}
        if versions:
            return f'run `make from-source KUBERNETES="{" ".join(versions)}"`'
        return "`make tools` builds one version of each, the default of the page; artifacts.source: upstream has others"

    @staticmethod
    def _known(versions: Mapping[str, Any]) -> str:
        return ", ".join(sorted(versions)) or "none"


def read_lock(path: Path) -> Lock:
    """Read a lock file. Raises LockError if it does not exist."""
    if not path.exists():
        raise LockError(f"{path}: not found; `make tools` writes the lock of the local mirror")
    return Lock(path, json.loads(path.read_text()), upstream=path == UPSTREAM_LOCK)
