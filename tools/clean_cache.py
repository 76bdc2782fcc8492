"""Removes the shared cache."""

import subprocess
from pathlib import Path

from tools.host_packages import which
from tools.node_image import NAME
from tools.progress import say
from tools.store import remove_tree


def run(shared: Path) -> None:
    """Remove what was built for all clones of this user, and the images of local machines; running stacks go on."""
    size = sum(path.lstat().st_size for path in shared.rglob("*") if path.is_file()) if shared.is_dir() else 0
    say(f"removing {shared} ({size >> 20} MiB) and the images {NAME}; clones build again with `make tools`")
    for engine in filter(which, ("podman", "docker")):
        command = [engine, "images", "--quiet", "--filter", f"reference={NAME}"]
        images = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
        if images:
            subprocess.run([engine, "rmi", *images], stdout=subprocess.DEVNULL, check=False)
    remove_tree(shared)
