"""An official `pulumi` on this machine: one that the tools of hardway have not built."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

ENGINE_MARKER = ".built-by-hardway"
"""A file beside an engine that the tools built: so no clone takes the engine of another clone for an official one."""

OLDEST = (3, 200)
HOW_TO_INSTALL = (
    "install `pulumi` {} or newer with its `pulumi-language-python` (https://www.pulumi.com/docs/install, or "
    "`curl -fsSL https://get.pulumi.com | sh`), and put it on PATH"
).format(".".join(map(str, OLDEST)))


def official(path: str) -> Path | None:
    """The first official `pulumi` on a search path that is new enough and has its Python language host beside it."""
    for folder in path.split(os.pathsep):
        engine = shutil.which("pulumi", path=folder) if folder else None
        if engine is None or (Path(folder) / ENGINE_MARKER).exists():
            continue
        real = Path(engine).resolve()
        beside = any((place / "pulumi-language-python").exists() for place in (Path(folder), real.parent))
        if beside and version(engine) >= OLDEST:
            return Path(engine)
    return None


def version(engine: str | Path) -> tuple[int, ...]:
    """Major and minor version of an engine; (0,) if it does not say."""
    answer = subprocess.run([engine, "version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", answer)
    return tuple(int(part) for part in found.groups()) if found else (0,)
