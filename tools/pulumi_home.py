"""Which Pulumi runs the program: the user's own official one, or the one built here with its plugins."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from tools import catalogue, gobuild
from tools.paths import Clone
from tools.store import Store, place, recorded

OLDEST_OFFICIAL = (3, 200)
LANGUAGE_EXEC = "pulumi-language-python-exec"
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


def lay_out(clone: Clone, store: Store, *, ours: bool, aws: bool = False) -> None:
    """Put our engine on the clone's path and our plugins into its PULUMI_HOME, or take ours off the path.

    With `aws` the test fixture for AWS is one of them; without, it stays if it is there.
    """
    marker = clone.bin / MARKER
    for program in catalogue.ENGINE:
        file = gobuild.find(program, store) if ours else None
        for name in recorded(file.parent) if file else [program.name, LANGUAGE_EXEC]:
            if file:
                # The engine looks for its language host beside its own real place: links would lead into the store.
                place(file.with_name(name), clone.bin / name)
            else:
                (clone.bin / name).unlink(missing_ok=True)
    if not ours:
        marker.unlink(missing_ok=True)
        return
    marker.touch()
    for plugin in (*catalogue.PLUGINS, *([catalogue.AWS_PLUGIN] if aws else [])):
        file = gobuild.find(plugin, store)
        if file:
            name = plugin.name.removeprefix("pulumi-")
            place(file, clone.pulumi_home / "plugins" / f"{name}-v{plugin.version}" / plugin.name)


def _version(engine: str) -> tuple[int, ...]:
    answer = subprocess.run([engine, "version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", answer)
    return tuple(int(part) for part in found.groups()) if found else (0,)
