"""Reading the archives that go to machines."""

import base64
import io
import tarfile
from dataclasses import dataclass


@dataclass(frozen=True)
class Packed:
    """One file of an archive: its text, mode, and the entry that it came from."""

    content: str
    mode: int
    entry: tarfile.TarInfo


def unpack(payload: str) -> dict[str, Packed]:
    """The files of an archive, which is a compressed tar as base64 text, by path."""
    files = {}
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(payload, validate=True)), mode="r:gz") as archive:
        for entry in archive.getmembers():
            file = archive.extractfile(entry)
            assert file is not None, f"{entry.name} is no file"
            files[entry.name] = Packed(file.read().decode(), entry.mode, entry)
    return files
