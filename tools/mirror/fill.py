"""What a page needs from upstream, and how it comes into a mirror."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from components.artifacts import web
from tools.common.progress import Progress
from tools.from_source.pieces import Piece, make_all
from tools.mirror.download import Wanted, fetch
from tools.mirror.folder import Mirror
from tools.mirror.images import add_image

if TYPE_CHECKING:
    from components.artifacts.lock import Lock, Source
    from components.config import Page

NOTHING: Mapping[str, str] = {}
AT_ONCE = 3
"""Downloads at the same time: from different publishers."""


def fill(
    mirror: Mirror, page: Page, lock: Lock, architectures: Sequence[str], more: Mapping[str, str] = NOTHING
) -> int:
    """Download what is missing: all programs and images of a page. Return the number of downloads. Raises ToolError.

    `more` are versions of further images of the lock, by name.
    """
    missing = [piece for piece in pieces(mirror, page, lock, architectures, more) if not piece.is_done()]
    make_all(missing, AT_ONCE)
    return len(missing)


def pieces(
    mirror: Mirror, page: Page, lock: Lock, architectures: Sequence[str], more: Mapping[str, str] = NOTHING
) -> list[Piece]:
    """A piece for each file and each image."""
    from components.artifacts.choice import artifact_versions, image_versions

    proxy = page.artifacts.proxy.of if page.artifacts.proxy else None
    found = [
        file_piece(mirror, f"{name} {version} {architecture}", source, proxy)
        for name, version in artifact_versions(page).items()
        for architecture in architectures
        for source in lock.artifact(name, version, architecture).sources
    ]
    # One digest may name the image of all architectures, or there is one for each.
    pinned: dict[str, list[str]] = {}
    for name, version in {**image_versions(page), **more}.items():
        for architecture in architectures:
            pinned.setdefault(lock.image(name, version, architecture), []).append(architecture)
    return found + [_image_piece(mirror, reference, wanted, proxy, pinned) for reference, wanted in pinned.items()]


def file_piece(mirror: Mirror, label: str, source: Source, proxy: web.ProxyOf | None) -> Piece:
    """A release file."""
    target = mirror.file(source.sha256, name_of(source))

    def make(progress: Progress) -> None:
        fetch(Wanted(source.url, source.sha256), target, mirror.work, progress, proxy)

    return Piece(label, target.exists, make, source.url.split("/")[2])


def name_of(source: Source) -> str:
    """The name of a release file in a mirror."""
    from components.artifacts.lock import in_mirror

    return in_mirror(source).url.rpartition("/")[2]


def _image_piece(
    mirror: Mirror, pinned: str, architectures: Iterable[str], proxy: web.ProxyOf | None, everything: Iterable[str]
) -> Piece:
    reference, _, digest = pinned.partition("@")
    wanted = tuple(architectures)
    same_tag = [other.partition("@")[2] for other in everything if other.startswith(f"{reference}@")]
    return Piece(
        f"image {reference} {' '.join(wanted)}",
        lambda: mirror.has_image(reference, digest, wanted, same_tag),
        lambda progress: add_image(mirror, reference, digest, wanted, progress, proxy),
        reference.partition("/")[0],
    )
