"""A snapshot of etcd that is a file here: reads the file, and sends it to the machine that restores."""

from __future__ import annotations

import hashlib
import shlex
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO

from components.config.backup import name_of_file
from tools.common.errors import ToolError
from tools.common.progress import Progress

DATABASE, METADATA = "etcd.db", "metadata"
_MOST_METADATA = 65536


@dataclass(frozen=True)
class SnapshotFile:
    """The archive that `restic dump` writes, or a database beside whose file is the file `metadata`.

    `metadata` has the values that backup.sh has written. `sha256` is the digest of the database, `size` is in bytes.
    """

    path: Path
    metadata: Mapping[str, str]
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """The name of the snapshot on the page."""
        return name_of_file(self.sha256)

    def send(self, command: str) -> None:
        """Write the snapshot to a command line that reads it from standard input, and check the name that it prints.

        Raises ToolError if the command fails.
        """
        process = subprocess.Popen(
            shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdin
        cut = False
        with Progress(f"{self.path.name}, {self.size >> 20} MiB, to the machine that restores"):
            try:
                with tarfile.open(fileobj=process.stdin, mode="w|") as archive, _opened(self.path) as (database, about):
                    for name, file, size in (
                        (METADATA, BytesIO(about), len(about)),
                        (DATABASE, database, self.size),
                    ):
                        entry = tarfile.TarInfo(name)
                        entry.size = size
                        archive.addfile(entry, file)
            except BrokenPipeError:
                cut = True
            out, problem = process.communicate()
        if process.returncode or cut:
            raise ToolError(problem.decode().strip() or "the connection was cut")
        if out.decode().split()[-1:] != [self.name]:
            raise ToolError(f"the machine has another file than the one that was sent: {out.decode().strip()}")


def read(path: Path) -> SnapshotFile:
    """Read and check a file. Raises ToolError if the file is no snapshot that hardway has taken, or is damaged."""
    with _opened(path) as (database, about):
        metadata = dict(line.split(" ", 1) for line in about.decode(errors="replace").splitlines() if " " in line)
        digest = hashlib.file_digest(database, "sha256")  # type: ignore[arg-type]  # an ExFileObject reads as a file
        size = database.tell()
    if metadata.get("format") != "1" or "cluster" not in metadata:
        raise ToolError(f"{path}: its {METADATA} is not of a snapshot that hardway has taken: docs/backup.md")
    if metadata.get("sha256") != digest.hexdigest():
        raise ToolError(f"{path}: the snapshot is damaged: its sha256 is not the one in its {METADATA}")
    return SnapshotFile(path, metadata, digest.hexdigest(), size)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], bytes]]:
    """The database, to read from, and the text of the metadata."""
    try:
        if tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                yield _entry(archive, path, DATABASE), _entry(archive, path, METADATA).read(_MOST_METADATA)
        else:
            beside = path.with_name(METADATA)
            if not beside.is_file():
                raise ToolError(f"{path}: there is no file {METADATA} beside the snapshot: docs/backup.md")
            with path.open("rb") as database:
                yield database, beside.read_bytes()[:_MOST_METADATA]
    except BrokenPipeError:
        raise  # of whoever reads from here and writes elsewhere
    except (OSError, tarfile.TarError) as error:
        raise ToolError(f"{path}: cannot be read: {error}") from None


def _entry(archive: tarfile.TarFile, path: Path, name: str) -> IO[bytes]:
    found = [entry for entry in archive.getmembers() if entry.isfile() and Path(entry.name).name == name]
    file = archive.extractfile(found[0]) if len(found) == 1 else None
    if file is None:
        raise ToolError(f"{path}: the archive has {len(found)} files with the name {name}, and a snapshot has one")
    return file
