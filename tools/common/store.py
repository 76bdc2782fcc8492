"""A folder of finished build outputs, each named by the digest of its inputs.

An output is made in a temporary folder and renamed when it is complete, so a folder `<name>-<digest16>` is always
complete. A lock for each output keeps two clones from making the same output at the same time. The kernel releases the
lock of a killed process, and the next process removes its temporary folder.
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

from tools.common.progress import say

RECORD = "sha256.json"
_PATIENCE_SECONDS = 0.2


def digest_of(*inputs: object) -> str:
    """SHA-256 of JSON-like inputs, as hexadecimal text. The order of mappings does not matter."""
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(files: dict[str, Path]) -> dict[str, str]:
    """SHA-256 of each file by its name in the folder."""
    return {name: file_digest(path) for name, path in sorted(files.items())}


@contextlib.contextmanager
def locked(path: Path, waiting_for: str) -> Iterator[None]:
    """Waits for an exclusive lock on a file and holds it. The kernel releases the lock if the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process is making {waiting_for}: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Store:
    """The build outputs in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._temporary = root / ".tmp"
        self._locks = root / ".locks"

    def path(self, name: str, digest: str) -> Path:
        """The path of a finished output."""
        return self.root / f"{name}-{digest[:16]}"

    def has(self, name: str, digest: str) -> bool:
        """Whether an output is finished."""
        return self.path(name, digest).is_dir()

    def make(self, name: str, digest: str, build: Callable[[Path], None]) -> Path:
        """Returns the path of a finished output. If there is none, calls `build` with an empty folder to fill."""
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
        """Keeps other processes that use this store from doing `what` at the same time."""
        with locked(self._locks / what, what):
            yield

    @contextlib.contextmanager
    def one_of(self, what: str, count: int) -> Iterator[None]:
        """Lets at most `count` processes that use this store do `what` at the same time."""
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
        """Removes temporary folders whose lock is free: no process works in them."""
        for folder in self._temporary.iterdir() if self._temporary.is_dir() else ():
            with (self._locks / folder.name).open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                remove_tree(folder)


def write_record(folder: Path) -> None:
    """Write the SHA-256 of every file of an output, so that the files need not be read again."""
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    (folder / RECORD).write_text(json.dumps(folder_digest(files), indent=1))


def recorded(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file of an output, by its path in the output."""
    return json.loads((folder / RECORD).read_text())


def remove_tree(folder: Path) -> None:
    """Removes a folder if it exists, also if it contains read-only folders."""
    if not folder.exists():
        return
    for parent, _, _ in os.walk(folder):
        Path(parent).chmod(0o700)
    shutil.rmtree(folder)


def place(source: Path, target: Path) -> None:
    """Makes `target` a hard link to `source`, or a copy on another file system. Fast if this is done already."""
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
    """Writes a complete file or nothing, never with more rights than `mode`. Does not write unchanged content."""
    if path.is_file() and path.read_text() == text and path.stat().st_mode & 0o777 == mode:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, mode)
        file.write(text)
    temporary.replace(path)
