"""Checks the workflows with actionlint: the user's own if there is one, else one that is built from its Go module.

python3 -m tools.workflows [FILE...]    those of .github/workflows unless others are named
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tools import gobuild
from tools.catalogue import ACTIONLINT
from tools.errors import ToolError
from tools.paths import shared_cache, this_clone
from tools.progress import Progress
from tools.store import Store


def actionlint() -> Path:
    """The checker. Raises ToolError when there is none and it cannot be built."""
    found = shutil.which("actionlint")
    if found:
        return Path(found)
    return gobuild.build(ACTIONLINT, Store(shared_cache() / "store"), Progress(ACTIONLINT.name))


def check(files: Sequence[str]) -> int:
    """Prints what is wrong and returns actionlint's exit code."""
    # It would use shellcheck and pyflakes where they happen to be installed: the result must not depend on that.
    root = this_clone().root
    named = files or [str(path) for path in sorted((root / ".github" / "workflows").glob("*.yml"))]
    command = [str(actionlint()), "-shellcheck=", "-pyflakes=", *named]
    return subprocess.run(command, cwd=root, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(check(sys.argv[1:]))
    except ToolError as error:
        sys.exit(f"error: {error}")
