"""What this host needs for a stack that uses upstream's release files: its mirror, and kubectl on PATH."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from components.architecture import of_this_machine
from components.artifacts.lock import UPSTREAM_LOCK, LockError, in_mirror, read_lock
from tools.common.errors import ToolError
from tools.common.paths import Clone
from tools.common.progress import Progress, say
from tools.common.store import digest_of, file_digest, place, write_atomically
from tools.mirror.folder import Mirror

if TYPE_CHECKING:
    from components.artifacts.lock import Lock
    from components.config import Page

_KUBECTL = "kubectl"


def ensure(clone: Clone, mirror: Mirror, path: Path, *, whole: bool) -> None:
    """Download what is missing. Raises ToolError.

    `whole`: machines fetch from the mirror of this host. Otherwise this host needs kubectl only, and does without if
    the publisher does not answer from here. A note says what is complete, because reading a page takes half a second.
    """
    note = clone.cache / "upstream" / f"{path.name}.json"
    inputs = digest_of("upstream-1", file_digest(path), file_digest(UPSTREAM_LOCK), str(mirror.root), whole)
    if _is_current(note, inputs, clone):
        return
    page, lock = read(path)
    if whole:
        from tools.mirror.fill import fill

        if fill(mirror, page, lock, page.architectures, to_try(lock)):
            say(f"everything is in {mirror.root}, for all clusters of this user")
    kubectl = _kubectl(clone, mirror, page, lock)
    write_atomically(note, json.dumps({"inputs": inputs, "kubectl": str(kubectl or "")}) + "\n")


def to_try(lock: Lock) -> dict[str, str]:
    """An image with a web server, to try a cluster: machines of a closed network pull nothing from elsewhere."""
    return {"agnhost": next(reversed(lock.data["images"]["agnhost"]))}


def read(path: Path) -> tuple[Page, Lock]:
    """A page, and upstream's lock. Raises ToolError if the page is wrong, or if the lock lacks one of its versions."""
    from components.artifacts.choice import checked_lock
    from tools.operate import page as pages

    page = pages.load(path)
    try:
        return page, checked_lock(page, read_lock(UPSTREAM_LOCK))
    except LockError as error:
        raise ToolError(str(error)) from None


def _is_current(note: Path, inputs: str, clone: Clone) -> bool:
    if not note.is_file():
        return False
    found = json.loads(note.read_text())
    kubectl = Path(found["kubectl"])
    if found["inputs"] != inputs or not found["kubectl"] or not kubectl.is_file():
        return False
    place(kubectl, clone.bin / _KUBECTL)
    return True


def _kubectl(clone: Clone, mirror: Mirror, page: Page, lock: Lock) -> Path | None:
    """Put the cluster's kubectl on the PATH of `make env`. Release files that the lock has are for Linux."""
    from components.artifacts import reach
    from components.artifacts.source import unreachable_of
    from tools.mirror.fill import file_piece

    if platform.system() != "Linux":
        return None
    version = page.versions.kubernetes
    (source,) = lock.artifact(_KUBECTL, version, of_this_machine()).sources
    if page.artifacts.mirror:
        source = in_mirror(source, page.artifacts.mirror)
    piece = file_piece(mirror, f"kubectl {version}", source, page.artifacts.proxy.of if page.artifacts.proxy else None)
    if not piece.is_done():
        silent = unreachable_of(page, reach.questions([source.url], []))
        if silent:
            say(f"`make env` has no kubectl {version}: {'; '.join(silent.values())}")
            return None
        with Progress(piece.label) as progress:
            piece.make(progress)
    file = mirror.file(source.sha256, _KUBECTL)
    file.chmod(0o755)
    place(file, clone.bin / _KUBECTL)
    return file
