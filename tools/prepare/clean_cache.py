"""Removes the shared cache."""

from pathlib import Path

from tools.common import node_images
from tools.common.paths import NODE_IMAGE
from tools.common.progress import say
from tools.common.store import remove_tree
from tools.prepare.host_packages import which


def run(shared: Path) -> None:
    """Remove what was built for all clones of this user, and the images of local machines. Stacks continue to run."""
    size = sum(path.lstat().st_size for path in shared.rglob("*") if path.is_file()) if shared.is_dir() else 0
    say(f"removing {shared} ({size >> 20} MiB) and the images {NODE_IMAGE}; `make tools` builds everything again")
    for engine in filter(which, ("podman", "docker")):
        node_images.remove([engine], node_images.names([engine]))
    remove_tree(shared)
