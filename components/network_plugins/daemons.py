"""Which DaemonSets run an image on every node, if nodes have several architectures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from components.architecture import AMD64


class Daemons(NamedTuple):
    """One DaemonSet: the end of its name, its image, and what chooses its nodes in the specification of its pods."""

    suffix: str
    image: str
    nodes: dict[str, object]


def daemons_of(images: Mapping[str, str]) -> Iterator[Daemons]:
    """The DaemonSets for an image with these references, by architecture.

    One DaemonSet on all nodes if all architectures have the same image: the digest of an index, or one architecture.
    """
    if len(set(images.values())) == 1:
        yield Daemons("", next(iter(images.values())), {})
        return
    for architecture, image in images.items():
        # If arm64 nodes join a cluster, then the DaemonSet of its other nodes keeps its name.
        suffix = "" if architecture == AMD64 else f"-{architecture}"
        yield Daemons(suffix, image, {"node_selector": {"kubernetes.io/arch": architecture}})
