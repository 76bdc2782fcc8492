"""Compares the digests of the lock with what the projects publish now: `make lock CHECK=1`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tools.common.errors import ToolError
from tools.common.progress import say
from tools.from_upstream import published, signatures
from tools.from_upstream.lock import RELEASES, Release, Verify, read
from tools.from_upstream.signatures import Signer


@dataclass(frozen=True)
class _Entry:
    """One digest of the lock, and how to ask for the published one."""

    what: str
    locked: str | None
    asked: str
    """The host that is asked."""
    ask: Callable[[], str | None]
    signer: Signer | None = None
    """Who has to have signed the file."""


def check(path: Path, releases: Mapping[str, Release] = RELEASES, verify: Verify | None = signatures.verify) -> None:
    """Compare every digest, and verify signatures of the projects that sign; `verify` is None if nobody looks at them.

    Raises ToolError with a line for each digest that differs or cannot be compared, and for each signature that is not
    verified. A host that does not answer is asked once.
    """
    found, count, signed, silent = [], 0, 0, set[str]()
    for entry in _entries(read(path), releases):
        count += 1
        if entry.asked in silent:
            found.append(f"{entry.what}: not compared, {entry.asked} does not answer")
            continue
        try:
            problem = _problem(entry)
            if entry.signer and entry.locked and verify and not problem:
                verify(entry.what, entry.locked, entry.signer)
                signed += 1
        except published.UnreadableError as error:
            silent |= {entry.asked} if error.unreachable else set()
            problem = str(error)
        except ToolError as error:
            problem = str(error)
        if problem:
            found.append(f"{entry.what}: {problem}")
        else:
            say(f"as published: {entry.locked}  {entry.what}")
    if found:
        lines = "".join(f"\n  {line}" for line in found)
        raise ToolError(f"{len(found)} of {count} digests in {path.name} are not as published:{lines}")
    words = f"{signed} signatures are verified" if verify else "signatures were not verified"
    say(f"all {count} digests in {path.name} are as published; {words}")


def _problem(entry: _Entry) -> str | None:
    if not entry.locked:
        return "the lock has no digest; `make lock` adds it"
    now = entry.ask()
    return None if now == entry.locked else f"the lock says {entry.locked}, published is {now or 'none'}"


def _entries(lock: Mapping[str, Any], releases: Mapping[str, Release]) -> Iterator[_Entry]:
    for name, versions in lock["artifacts"].items():
        for version, architectures in versions.items():
            for architecture, sources in architectures.items():
                for source in sources:
                    checksums = releases[name].checksums.format(v=version, a=architecture)
                    yield _file(checksums, source, releases[name].signer)
    for versions in lock["images"].values():
        for image in versions.values():
            yield from _image(image["reference"], image["digest"])


def _file(checksums: str, source: Mapping[str, Any], signer: Signer | None) -> _Entry:
    url, host = source["url"], urlsplit(checksums).netloc
    return _Entry(url, source["sha256"], host, lambda: published.file_digest(checksums, url), signer)


def _image(reference: str, digest: str | Mapping[str, str] | None) -> Iterator[_Entry]:
    host = reference.partition("/")[0]
    if isinstance(digest, Mapping):
        for architecture, one in digest.items():
            ask = _platform(reference, architecture)
            yield _Entry(f"{reference} for {architecture}", one, host, ask)
    else:
        yield _Entry(reference, digest, host, lambda: published.image_digest(reference))


def _platform(reference: str, architecture: str) -> Callable[[], str | None]:
    return lambda: published.platform_digests(reference).get(architecture)
