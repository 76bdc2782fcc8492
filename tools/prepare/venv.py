"""The virtual environment: one for each set of pinned packages and each Python, shared by all clones."""

import sys
from pathlib import Path

from tools.common.errors import ToolError
from tools.common.paths import Clone
from tools.common.progress import Progress, run_logged
from tools.common.store import Store, digest_of, file_digest, remove_tree

REQUIREMENTS = ("requirements.txt", "requirements-dev.txt")


def ensure(clone: Clone, store: Store) -> bool:
    """Make `.venv` of the clone a link to the environment of its pinned packages, which is made if it is missing.

    Returns whether the link was already correct.
    """
    digest = _digest(clone)
    environment = store.path("venv", digest)
    if not environment.is_dir():
        with Progress("Python packages") as progress:
            store.make("venv", digest, lambda folder: _make(clone, store, folder, environment, progress))
    if clone.venv.is_symlink() and clone.venv.readlink() == environment:
        return True
    if clone.venv.is_symlink():
        clone.venv.unlink()
    remove_tree(clone.venv)
    clone.venv.symlink_to(environment)
    return False


def _digest(clone: Clone) -> str:
    pins = [file_digest(clone.root / name) for name in REQUIREMENTS]
    return digest_of("venv-1", sys.version, sys.base_prefix, pins)


def _make(clone: Clone, store: Store, folder: Path, final: Path, progress: Progress) -> None:
    import importlib.util

    if importlib.util.find_spec("ensurepip") is None:
        raise ToolError("this Python cannot make virtual environments; on Debian: apt-get install python3-venv")
    log = store.root.parent / "log" / "venv.log"
    remove_tree(folder)
    run_logged([sys.executable, "-m", "venv", str(folder)], log, progress)
    python = str(folder / "bin" / "python")
    wanted = [argument for name in REQUIREMENTS for argument in ("-r", str(clone.root / name))]
    run_logged([python, "-m", "pip", "install", "--no-compile", "--require-hashes", *wanted], log, progress)
    # Without byte code of the SDKs, every run of the program takes almost a second longer.
    packages = next((folder / "lib").glob("python3*/site-packages"))
    relocate = ["-s", str(folder), "-p", str(final)]
    run_logged([python, "-m", "compileall", "-q", "-j", "0", *relocate, str(packages)], log, progress)
    _move_scripts(folder, final)


def _move_scripts(folder: Path, final: Path) -> None:
    """Replace the temporary path of the interpreter in scripts by the final path of the environment."""
    for script in [folder / "pyvenv.cfg", *(folder / "bin").iterdir()]:
        if script.is_file() and not script.is_symlink():
            content = script.read_bytes()
            if str(folder).encode() in content:
                script.write_bytes(content.replace(str(folder).encode(), str(final).encode()))
