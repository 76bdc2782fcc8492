"""Programs of judges, built from source when somebody asks for the first time."""

from __future__ import annotations

import shutil
from pathlib import Path

from tools.common.errors import ToolError
from tools.common.paths import shared_cache
from tools.common.progress import Progress, say
from tools.common.store import Store
from tools.from_source import gobuild
from tools.from_source.catalogue import Program


def built(program: Program, what: str, otherwise: str) -> Path:
    """The program in the store. Raises ToolError if it is not there and cannot be built, because there is no Go.

    The message says `what` cannot be built, and what to do `otherwise`.
    """
    if shutil.which("go") is None:
        raise ToolError(f"there is no `go` on PATH to build {what} with; {otherwise}")
    store = Store(shared_cache() / "store")
    found = gobuild.find(program, store)
    if found is None:
        say(f"builds {program.name} from source, once for this user")
        with Progress(f"{program.name} {program.version}") as progress:
            found = gobuild.build(program, store, progress)
    return found
