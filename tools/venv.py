"""The virtual environment: made once per set of pins and Python, shared by all clones."""

import importlib.util
import os
import sys
from pathlib import Path

from tools.errors import ToolError
from tools.paths import Clone
from tools.progress import Progress, run_logged
from tools.store import Store, digest_of, file_digest, remove_tree

REQUIREMENTS = ("requirements.txt", "requirements-dev.txt")


def ensure(clone: Clone, store: Store) -> Path:
    """Points `.venv` of the clone at a finished environment, making it first where there is none."""
    digest = digest_of(
        "venv-1", sys.version, sys.base_prefix, [file_digest(clone.root / name) for name in REQUIREMENTS]
    )
    environment = store.make("venv", digest, lambda folder: _make(clone, store, folder, store.path("venv", digest)))
    if not clone.venv.is_symlink() or os.readlink(clone.venv) != str(environment):
        if clone.venv.is_symlink():
            clone.venv.unlink()
        remove_tree(clone.venv)
        clone.venv.symlink_to(environment)
    return environment


def _make(clone: Clone, store: Store, folder: Path, final: Path) -> None:
    if importlib.util.find_spec("ensurepip") is None:
        raise ToolError("this Python cannot make virtual environments; on Debian: apt-get install python3-venv")
    progress = Progress(1)
    progress.start("Python packages")
    log = store.root.parent / "log" / "venv.log"
    remove_tree(folder)
    run_logged([sys.executable, "-m", "venv", str(folder)], log, progress)
    python = str(folder / "bin" / "python")
    wanted = [argument for name in REQUIREMENTS for argument in ("-r", str(clone.root / name))]
    run_logged([python, "-m", "pip", "install", "--no-compile", *wanted], log, progress)
    # An SDK without byte code makes every run of the program slower by most of a second.
    packages = next((folder / "lib").glob("python3*/site-packages"))
    relocate = ["-s", str(folder), "-p", str(final)]
    run_logged([python, "-m", "compileall", "-q", "-j", "0", *relocate, str(packages)], log, progress)
    _move_scripts(folder, final)
    progress.done()


def _move_scripts(folder: Path, final: Path) -> None:
    """Scripts name their interpreter by path: make that the path the environment will have."""
    for script in [folder / "pyvenv.cfg", *(folder / "bin").iterdir()]:
        if script.is_file() and not script.is_symlink():
            content = script.read_bytes()
            if str(folder).encode() in content:
                script.write_bytes(content.replace(str(folder).encode(), str(final).encode()))
