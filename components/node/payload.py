"""The bytes that go to a machine: a compressed tar archive, as base64 text since standard input is a string here."""

from __future__ import annotations

import base64
import gzip
import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from components.artifacts.lock import Artifact
from components.node.model import Part, Ref
from components.node.release import Release

APPLY, STAGE, VERSIONS, DRAIN, REMOVE = SCRIPTS = tuple(
    Path(__file__).with_name(f"{name}.sh") for name in ("apply", "stage", "versions", "drain", "remove")
)


@dataclass(frozen=True)
class Entry:
    """One file of an archive; it belongs to root."""

    path: str
    content: str
    mode: int = 0o644


def pack(entries: Iterable[Entry]) -> str:
    """A compressed tar archive of the entries as base64; the same entries always give the same text."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for entry in sorted(entries, key=lambda e: e.path):
            data = entry.content.encode()
            info = tarfile.TarInfo(entry.path)
            info.size, info.mode = len(data), entry.mode
            archive.addfile(info, io.BytesIO(data))
    # Compressed: every command's input is kept in the state twice, and the state is written after every step.
    return base64.b64encode(gzip.compress(buffer.getvalue(), 9, mtime=0)).decode()


def release_payload(
    part: Part, release: Release, artifacts: Mapping[str, Artifact], secrets: Mapping[str, str], mirror: str
) -> str:
    """The archive of a release, which holds private keys.

    It has its files with `secrets` in the place of references, its units, and the tables
    that `apply.sh` reads, and the scripts for that machine. It holds private keys.
    """
    entries = [
        Entry(f.path, secrets[f.content.name] if isinstance(f.content, Ref) else f.content, f.mode) for f in part.files
    ]
    entries += [Entry(f"units/{unit.name}", unit.text) for unit in part.units]
    entries += [Entry(f"health/{unit.name}", unit.health + "\n") for unit in part.units]
    entries += [Entry(f"leave/{unit.name}", unit.leave + "\n") for unit in part.units if unit.leave]
    tables = {
        "units": [(unit.name, *release.units[unit.name]) for unit in part.units],
        "versions": [(name, artifacts[name].version) for name in part.artifacts],
        "directories": [(d.path, d.owner, f"{d.mode:04o}") for d in part.directories],
        "artifacts": [
            (
                source.sha256,
                source.archive or "-",
                source.url.replace("{mirror}", mirror),
                f"{folder}{name}",
                path or "-",
            )
            for artifact in (artifacts[name] for name in part.artifacts)
            for folder in ("cni/" if artifact.name.startswith("cni-") else "",)
            for source in artifact.sources
            for name, path in source.files.items()
        ],
        "groups": [(f.group, f.path) for f in part.files if f.group != "root"],
        "users": [(user,) for user in part.users],
        "commands": [(command,) for command in part.commands],
    }
    entries += [Entry(f"tables/{name}", _table(rows)) for name, rows in tables.items()]
    entries += [Entry(script.name, script.read_text(), 0o755) for script in SCRIPTS]
    return pack(entries)


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    return "".join(" ".join(row) + "\n" for row in rows)
