"""A folder of finished build outputs, each named by the digest of what went into it.

An output is made in a temporary folder and renamed when it is complete, so whoever finds `<name>-<digest16>` finds all
of it. A lock per output keeps two clones from making the same thing twice at once; a killed process releases its lock,
and what it left behind is removed by the next one.
"""

import contextlib
import fcntl
import hashlib
import itertools
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tools.progress import say

RECORD = "sha256.json"
_PATIENCE_SECONDS = 0.2


def digest_of(*inputs: object) -> str:
    """SHA-256 over JSON-like inputs; mappings count by content, not by order."""
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(files: dict[str, Path]) -> dict[str, str]:
    """SHA-256 per file, by the name that the file has inside its folder."""
    return {name: file_digest(path) for name, path in sorted(files.items())}


@contextlib.contextmanager
def locked(path: Path, waiting_for: str) -> Iterator[None]:
    """Holds an exclusive lock on a file, waiting for whoever holds it; the kernel releases it when the holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process is making {waiting_for}: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Store:
    """The outputs below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._temporary = root / ".tmp"
        self._locks = root / ".locks"

    def path(self, name: str, digest: str) -> Path:
        """Where an output lies once it is finished."""
        return self.root / f"{name}-{digest[:16]}"

    def has(self, name: str, digest: str) -> bool:
        """Whether an output is finished."""
        return self.path(name, digest).is_dir()

    def make(self, name: str, digest: str, build: Callable[[Path], None]) -> Path:
        """Returns a finished output, calling `build` with an empty folder to fill if there is none yet."""
        final = self.path(name, digest)
        if final.is_dir():
            return final
        with locked(self._locks / final.name, name):
            if final.is_dir():
                return final
            temporary = self._temporary / final.name
            remove_tree(temporary)
            self._remove_left_overs()
            temporary.mkdir(parents=True)
            try:
                build(temporary)
                temporary.rename(final)
            finally:
                remove_tree(temporary)
        return final

    @contextlib.contextmanager
    def exclusive(self, what: str) -> Iterator[None]:
        """Keeps everybody else who uses this store from doing `what` at the same time."""
        with locked(self._locks / what, what):
            yield

    @contextlib.contextmanager
    def one_of(self, what: str, count: int) -> Iterator[None]:
        """Keeps all but `count` of those who use this store from doing `what` at the same time."""
        for number in itertools.cycle(range(count)):
            path = self._locks / f"{what}-{number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    time.sleep(_PATIENCE_SECONDS)
                    continue
                yield
                return

    def _remove_left_overs(self) -> None:
        """Removes temporary folders that nobody is working in: their lock is free."""
        for folder in self._temporary.iterdir() if self._temporary.is_dir() else ():
            with (self._locks / folder.name).open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                remove_tree(folder)


def write_record(folder: Path) -> None:
    """Note the SHA-256 of every file of an output, so that nobody has to read it again to know."""
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    (folder / RECORD).write_text(json.dumps(folder_digest(files), indent=1))


def recorded(folder: Path) -> dict[str, str]:
    """Give the SHA-256 of every file of an output, by its path in there."""
    return json.loads((folder / RECORD).read_text())


def remove_tree(folder: Path) -> None:
    """Removes a folder if it is there, also one with read-only folders in it."""
    if not folder.exists():
        return
    for parent, _, _ in os.walk(folder):
        Path(parent).chmod(0o700)
    shutil.rmtree(folder)


def place(source: Path, target: Path) -> None:
    """Makes `target` the same file as `source`: a hard link, on another file system a copy. Cheap when it is done."""
    if target.is_file() and not target.is_symlink():
        ours, theirs = source.stat(), target.stat()
        if (ours.st_size, ours.st_mtime_ns) == (theirs.st_size, theirs.st_mtime_ns):
            return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        shutil.copy2(source, temporary)
    temporary.replace(target)


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Writes a whole file or nothing, never with wider rights than `mode`. Unchanged content is left alone."""
    if path.is_file() and path.read_text() == text and path.stat().st_mode & 0o777 == mode:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, mode)
        file.write(text)
    temporary.replace(path)
