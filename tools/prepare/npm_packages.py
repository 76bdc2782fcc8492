"""Packages of npm that tests need, with Node.js from this host: locked, and in the shared store."""

import shutil
import subprocess
from pathlib import Path

from tools.common.errors import ToolError
from tools.common.progress import Progress, run_logged
from tools.common.store import Store, digest_of, file_digest
from tools.prepare import host_packages
from tools.prepare.host_packages import Need

NODE_JS = (Need("nodejs", "node"), Need("npm", "npm"))
LISTS = ("package.json", "package-lock.json")
# Node.js 22 has this function, and so have late versions of 20. The nodejs of Debian 12 is 18.
_IS_NEW_ENOUGH = "process.exit(typeof URL.parse === 'function' ? 0 : 1)"


def ensure(folder: Path, store: Store, logs: Path) -> Path:
    """Install the packages that `folder` locks, and return the folder `node_modules` of the store.

    Raises ToolError if the host has no Node.js and cannot get it, if it is too old, or if npm cannot get a package.
    """
    host_packages.ensure(NODE_JS, logs / "apt.log")
    _check_node()
    # npm chooses packages by the version of Node.js only to warn. None has scripts that run here.
    digest = digest_of("npm-1", [file_digest(folder / name) for name in LISTS])

    def install(target: Path) -> None:
        for name in LISTS:
            shutil.copyfile(folder / name, target / name)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
        with Progress(f"npm packages of {folder.name}") as progress:
            run_logged(command, logs / "npm.log", progress, cwd=target)

    return store.make(f"npm-{folder.name}", digest, install) / "node_modules"


def _check_node() -> None:
    if subprocess.run(["node", "-e", _IS_NEW_ENOUGH], check=False).returncode != 0:
        version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout.strip()
        raise ToolError(f"node on PATH is {version or 'broken'}; allowed: Node.js 22 or newer (https://nodejs.org)")
