"""Fills a folder that people carry into an air gap: `make mirror DIR=FOLDER`."""

from collections.abc import Sequence
from pathlib import Path

from tools.common.errors import ToolError
from tools.common.paths import Clone
from tools.common.progress import say
from tools.mirror.fill import fill
from tools.mirror.folder import Mirror
from tools.mirror.prepared import read
from tools.operate import page as pages


def fill_folder(clone: Clone, stack: str, folder: Path, architectures: Sequence[str] = ()) -> None:
    """Download what is missing in the folder, and write a configuration of nginx that serves it. Raises ToolError.

    `architectures`: those of files and images, besides those of the nodes.
    """
    path = clone.page(stack)
    if not path.is_file():
        raise ToolError(pages.missing(clone, stack))
    page, lock = read(path)
    if page.artifacts.source == "mirror":
        raise ToolError(
            f"{path.name}: hardway:artifacts.source: 'mirror' names built programs, which `make tools` puts into the "
            "shared cache; allowed for release files in a mirror: upstream"
        )
    mirror = Mirror(folder)
    architectures = sorted({*page.architectures, *architectures})
    count = fill(mirror, page, lock, architectures)
    config = mirror.write_server()
    say(f"{count} downloads; {folder} has all programs and images of {path.name} for {' and '.join(architectures)}")
    say(f"to serve them: nginx -p {folder} -c {config.name}; on the page: artifacts.source: upstream, artifacts.mirror")
