"""What `make tools` found out about this host, for machines that are containers on it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


class HostFactsError(RuntimeError):
    """The facts are missing; the text says how to get them."""


@dataclass(frozen=True)
class HostFacts:
    """What this host brings.

    `engine` is the container engine's command, `mirror` the folder with files and images (None: upstream is used),
    `registry_binary` the registry's program below it.
    """

    engine: tuple[str, ...]
    node_image: str
    mirror: str | None
    registry_binary: str | None


def read_host_facts(path: Path, wanted_engine: str) -> HostFacts:
    """The facts, checked against the engine that the page asks for (`auto` takes any). Raises HostFactsError."""
    if not path.exists():
        raise HostFactsError(f"{path}: not found; `make tools` prepares this host for local machines")
    data = json.loads(path.read_text())
    engine = tuple(data["engine"])
    if wanted_engine not in ("auto", engine[0]):
        raise HostFactsError(
            f"hardway:machines.engine: {wanted_engine!r} is not what `make tools` prepared; allowed: auto, {engine[0]}"
        )
    return HostFacts(engine, data["nodeImage"], data.get("mirror"), data.get("registryBinary"))
