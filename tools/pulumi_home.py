"""Which Pulumi runs the program: the user's own official one, or the one built here with its plugins."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from tools.paths import Clone

OLDEST_OFFICIAL = (3, 200)
# Lies beside an engine that the tools built: one of another clone on PATH must not be taken for an official one.
MARKER = ".built-by-hardway"


def official(path: str) -> Path | None:
    """The `pulumi` of a search path that is new enough, has its Python language host beside it and is not ours."""
    for folder in path.split(os.pathsep):
        engine = shutil.which("pulumi", path=folder) if folder else None
        if engine is None or (Path(folder) / MARKER).exists():
            continue
        real = Path(engine).resolve()
        beside = any((place / "pulumi-language-python").exists() for place in (Path(folder), real.parent))
        if beside and _version(engine) >= OLDEST_OFFICIAL:
            return Path(engine)
    return None


def is_ours(clone: Clone) -> bool:
    """Whether the clone runs the engine that the tools built."""
    return (clone.bin / MARKER).exists()


def _version(engine: str) -> tuple[int, ...]:
    answer = subprocess.run([engine, "version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", answer)
    return tuple(int(part) for part in found.groups()) if found else (0,)
