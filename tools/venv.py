"""The virtual environment: made once per set of pins and Python, shared by all clones."""

import importlib.util
import sys
from pathlib import Path

from tools.errors import ToolError
from tools.paths import Clone
from tools.progress import Progress, run_logged
from tools.store import Store, digest_of, file_digest, remove_tree

REQUIREMENTS = ("requirements.txt", "requirements-dev.txt")


def is_ready(clone: Clone, store: Store) -> bool:
    """Whether the environment of the clone's pins is finished."""
    return store.has("venv", _digest(clone))


def make(clone: Clone, store: Store, progress: Progress) -> Path:
    """Make the environment unless it is finished."""
    digest = _digest(clone)
    final = store.path("venv", digest)
    return store.make("venv", digest, lambda folder: _make(clone, store, folder, final, progress))


def link(clone: Clone, store: Store) -> None:
    """Point `.venv` of the clone at its finished environment."""
    environment = store.path("venv", _digest(clone))
    if clone.venv.is_symlink() and clone.venv.readlink() == environment:
        return
    if clone.venv.is_symlink():
        clone.venv.unlink()
    remove_tree(clone.venv)
    clone.venv.symlink_to(environment)


def _digest(clone: Clone) -> str:
    pins = [file_digest(clone.root / name) for name in REQUIREMENTS]
    return digest_of("venv-1", sys.version, sys.base_prefix, pins)


def _make(clone: Clone, store: Store, folder: Path, final: Path, progress: Progress) -> None:
    if importlib.util.find_spec("ensurepip") is None:
        raise ToolError("this Python cannot make virtual environments; on Debian: apt-get install python3-venv")
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


def _move_scripts(folder: Path, final: Path) -> None:
    """Scripts name their interpreter by path: make that the path the environment will have."""
    for script in [folder / "pyvenv.cfg", *(folder / "bin").iterdir()]:
        if script.is_file() and not script.is_symlink():
            content = script.read_bytes()
            if str(folder).encode() in content:
                script.write_bytes(content.replace(str(folder).encode(), str(final).encode()))
