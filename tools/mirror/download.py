"""Downloads one file by digest: through redirects and proxies, on from where a connection was cut.

A part of a file keeps its name, so a later run goes on with the part of a run that was killed. Only a whole file with
the right digest gets its final name.
"""

import hashlib
import ssl
import time
import urllib.error
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from components.artifacts import web
from tools.common.errors import ToolError
from tools.common.progress import Progress
from tools.common.store import file_digest, locked

SILENCE_SECONDS = 30.0
PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0)
"""The pauses between attempts. An attempt that brought bytes begins the row of pauses again."""
_PERMANENT = range(400, 500)
_PASSING = {408, 425, 429}
_CHUNK = 1 << 18
_MEGA = 1e6


def _no_headers() -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class Wanted:
    """A file to download. `headers` are asked for at each attempt, because a token ends."""

    url: str
    sha256: str
    size: int | None = None
    """The number of bytes, if it is known."""
    headers: Callable[[], Mapping[str, str]] = _no_headers


class _AgainError(Exception):
    """An attempt failed, and the next one may work."""


def fetch(
    wanted: Wanted,
    target: Path,
    work: Path,
    progress: Progress,
    proxy: web.ProxyOf | None = None,
    pauses: tuple[float, ...] = PAUSES_SECONDS,
) -> None:
    """Make `target` the wanted file. If `target` exists, nothing is read: its name has the digest.

    Parts are kept in the folder `work`, on the same file system. `pauses` are the seconds between attempts.
    Raises ToolError: which host answered what, or which digest the file has.
    """
    if target.exists():
        return
    with locked(work / "locks" / wanted.sha256, progress.label):
        if target.exists():
            return
        part = work / "parts" / wanted.sha256
        part.parent.mkdir(parents=True, exist_ok=True)
        began_whole = not part.exists()
        final = _complete(wanted, part, progress, proxy, pauses)
        found = file_digest(part)
        if found != wanted.sha256 and not began_whole:
            # The parts do not fit together: the publisher, or somebody on this machine, has changed the file.
            part.unlink()
            final = _complete(wanted, part, progress, proxy, pauses)
            found = file_digest(part)
        if found != wanted.sha256:
            part.unlink()
            led = "" if final == web.bare(wanted.url) else f", which leads to {final},"
            raise ToolError(f"{wanted.url}{led} has the sha256 {found}, the lock says {wanted.sha256}")
        part.chmod(0o644)
        target.parent.mkdir(parents=True, exist_ok=True)
        part.rename(target)


def _complete(
    wanted: Wanted, part: Path, progress: Progress, proxy: web.ProxyOf | None, pauses: tuple[float, ...]
) -> str:
    """Download until the part is whole. Return the URL that gave the last bytes, without its query."""
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            return _attempt(wanted, part, progress, proxy)
        except _AgainError as error:
            # A server that sends a little at a time still brings the file nearer.
            failures = 1 if part.exists() and part.stat().st_size > before else failures + 1
            if failures > len(pauses):
                raise ToolError(f"cannot fetch {wanted.url}: {error}; {failures} attempts") from None
            _wait(pauses[failures - 1], progress)


def _attempt(wanted: Wanted, part: Path, progress: Progress, proxy: web.ProxyOf | None) -> str:
    have = part.stat().st_size if part.exists() else 0
    headers = {**wanted.headers(), **({"Range": f"bytes={have}-"} if have else {})}
    try:
        with web.get(wanted.url, headers, SILENCE_SECONDS, proxy) as answer:
            resumed = have > 0 and answer.status == 206
            length = answer.headers.get("Content-Length")
            start = have if resumed else 0
            size = start + int(length) if length is not None else wanted.size
            _copy(answer, part, start, size, progress)
            final: str = web.bare(answer.url)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            # The part is as long as the file, or longer: its digest tells.
            if wanted.size is None or have != wanted.size:
                part.unlink()
                raise _AgainError(web.why(wanted.url, error)) from None
            return web.bare(error.url)
        if error.code not in _PASSING and (error.code in _PERMANENT or error.code < 400):
            raise ToolError(f"cannot fetch {wanted.url}: {web.why(wanted.url, error)}") from None
        raise _AgainError(web.why(wanted.url, error)) from None
    except web.FAILURES as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise ToolError(f"cannot fetch {wanted.url}: {web.why(wanted.url, error)}") from None
        raise _AgainError(web.why(wanted.url, error)) from None
    got = part.stat().st_size
    if size is not None and got < size:
        raise _AgainError(f"{web.bare(final)} ended the connection after {got} of {size} bytes")
    return final


def _copy(answer: object, part: Path, start: int, size: int | None, progress: Progress) -> None:
    began, got = time.monotonic(), start
    with part.open("r+b" if start else "wb") as file:
        file.seek(start)
        while chunk := answer.read(_CHUNK):  # type: ignore[attr-defined]
            if progress.stopped.is_set():
                raise ToolError(f"{progress.label} was stopped")
            file.write(chunk)
            got += len(chunk)
            progress.detail = _detail(got, got - start, size, time.monotonic() - began)
            progress.beat()


def _detail(got: int, now: int, size: int | None, seconds: float) -> str:
    whole = f" of {size / _MEGA:.1f}" if size and got < size else ""
    return f"{got / _MEGA:.1f}{whole} MB, {now / _MEGA / max(seconds, 0.001):.1f} MB/s"


def _wait(seconds: float, progress: Progress) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if progress.stopped.wait(min(left, 1.0)):
            raise ToolError(f"{progress.label} was stopped")
        progress.beat()


def sha256_of(content: bytes) -> str:
    """SHA-256 of bytes, as hexadecimal text."""
    return hashlib.sha256(content).hexdigest()
