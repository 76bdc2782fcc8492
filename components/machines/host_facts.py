"""What `make tools` found out about this host, for machines that are containers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


class HostFactsError(RuntimeError):
    """The facts are missing or do not fit the page; the text says what to do."""


@dataclass(frozen=True)
class HostFacts:
    """What this host has for local machines.

    `engine` is the container engine's command, `mirror` the folder with files and images.
    """

    engine: tuple[str, ...]
    node_image: str
    mirror: str


def read_host_facts(path: Path, wanted_engine: str) -> HostFacts:
    """The facts, checked against the engine that the page wants (`auto`: any). Raises HostFactsError."""
    if not path.exists():
        raise HostFactsError(f"{path}: not found; `make tools` prepares this host for local machines")
    data = json.loads(path.read_text())
    engine = tuple(data["engine"])
    if wanted_engine not in ("auto", engine[0]):
        raise HostFactsError(
            f"hardway:machines.engine: {wanted_engine!r} is not what `make tools` prepared; allowed: auto, {engine[0]}"
        )
    return HostFacts(engine, data["nodeImage"], data["mirror"])
