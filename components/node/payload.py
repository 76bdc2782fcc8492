"""The payload for a machine: a compressed tar archive, in base64 because Pulumi commands read text."""

from __future__ import annotations

import base64
import gzip
import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from components.artifacts.lock import Artifact
from components.node.model import NodePart, Ref
from components.node.release import INSTALLED, Release
from components.node.scripts import path, text, travelling, without_comments


@dataclass(frozen=True)
class Entry:
    """One file of an archive, owned by root."""

    path: str
    content: str
    mode: int = 0o644


def pack(entries: Iterable[Entry]) -> str:
    """A compressed tar archive of the entries as base64. The same entries always have the same text."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for entry in sorted(entries, key=lambda e: e.path):
            data = entry.content.encode()
            info = tarfile.TarInfo(entry.path)
            info.size, info.mode = len(data), entry.mode
            archive.addfile(info, io.BytesIO(data))
    # Compressed, because the state contains every input of a command twice and is written after every step.
    return base64.b64encode(gzip.compress(buffer.getvalue(), 9, mtime=0)).decode()


def release_payload(
    part: NodePart, release: Release, artifacts: Mapping[str, Artifact], secrets: Mapping[str, str], mirror: str
) -> str:
    """The archive of a release, which holds private keys.

    The archive contains the files of the release with `secrets` in the place of references, the units, the tables that
    `apply.sh` reads, and the scripts that run on the machine.
    """
    entries = [
        Entry(f.path, secrets[f.content.name] if isinstance(f.content, Ref) else f.content, f.mode) for f in part.files
    ]
    entries += [Entry(f"units/{unit.name}", unit.text) for unit in part.units]
    entries += [Entry(f"health/{unit.name}", unit.health + "\n") for unit in part.units]
    entries += [Entry(f"leave/{unit.name}", unit.leave + "\n") for unit in part.units if unit.leave]
    tables = {
        "units": [
            (unit.name, *release.units[unit.name], *(() if unit.starts else (INSTALLED,))) for unit in part.units
        ],
        "versions": [(name, artifacts[name].version) for name in part.artifacts],
        "directories": [(d.path, d.owner, f"{d.mode:04o}") for d in part.directories],
        "artifacts": [
            (
                source.sha256,
                source.archive or "-",
                source.url.replace("{mirror}", mirror),
                f"{folder}{name}",
                place or "-",
            )
            for artifact in (artifacts[name] for name in part.artifacts)
            for folder in ("cni/" if artifact.name.startswith("cni-") else "",)
            for source in artifact.sources
            for name, place in source.files.items()
        ],
        "readers": [(f.reader, f.path) for f in part.files if f.reader],
        "users": [(user,) for user in part.users],
        "commands": [(command,) for command in part.commands],
        "certificates": [(unit.name, *unit.shows) for unit in part.units if unit.shows],
        "network": [(remnant.kind, remnant.name) for remnant in part.remnants],
    }
    entries += [Entry(f"tables/{name}", _table(rows)) for name, rows in tables.items()]
    names = travelling(unit.name for unit in part.units)
    entries += [Entry(path(name).name, without_comments(text(name)), 0o755) for name in names]
    return pack(entries)


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    return "".join(" ".join(row) + "\n" for row in rows)
