"""The folder of a mirror: files by digest, and the storage of an OCI registry.

Nothing is ever removed from the mirror, so stacks that were made from an older build continue to work.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from components.machines.mirror_server import FILES_PORT, KINDS, REGISTRY_PORT, files_server, nginx_config
from components.machines.mirror_server import registry_server as images_server
from tools.common.store import place, write_atomically

INDEXES = tuple(media_type for media_type in KINDS if "index" in media_type or "list" in media_type)
CONFIG = "nginx.conf"


class Mirror:
    """A mirror. Its registry has each image below a repository path that begins with the name of its registry."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._registry = root / "registry"
        self._storage = self._registry / "docker" / "registry" / "v2"

    @property
    def work(self) -> Path:
        """A folder for parts of files."""
        return self.root / ".work"

    def file(self, sha256: str, name: str) -> Path:
        """The path of a file, which need not exist."""
        return self.root / "files" / sha256 / name

    def add_file(self, file: Path, sha256: str) -> None:
        """Add a finished file."""
        place(file, self.file(sha256, file.name))

    def blob(self, digest: str) -> Path:
        """The path of a layer, a configuration or a manifest, which need not exist. `digest` is `sha256:<hex>`."""
        value = digest.removeprefix("sha256:")
        return self._storage / "blobs" / "sha256" / value[:2] / value / "data"

    def has_image(
        self, reference: str, digest: str, architectures: Iterable[str] = (), same_tag: Iterable[str] = ()
    ) -> bool:
        """Whether the whole image is here: its tag is written at the end.

        `architectures` are those that are wanted of an index. `same_tag` are digests of the same image for other
        architectures: the tag may lead to one of them.
        """
        link = self._tag(reference)
        if not link.is_file() or link.read_text().strip() not in {digest, *same_tag} or not self.blob(digest).exists():
            return False
        if not self._link_of(reference, digest).is_file():
            return False
        entries = json.loads(self.blob(digest).read_bytes()).get("manifests")
        return entries is None or all(self.blob(child).exists() for child in of_platforms(entries, architectures))

    def add_manifest(self, reference: str, digest: str, media_type: str, content: bytes) -> None:
        """Add a manifest or an index of an image, whose other parts are here already."""
        data = self.blob(digest)
        if not data.exists():
            data.parent.mkdir(parents=True, exist_ok=True)
            temporary = data.with_name(".new")
            temporary.write_bytes(content)
            temporary.replace(data)
        value = digest.removeprefix("sha256:")
        place(data, self._nginx_name(digest, media_type))
        self._link(self._repository(reference) / "_manifests" / "revisions" / "sha256" / value / "link", digest)

    def add_parts(self, reference: str, manifest: bytes) -> None:
        """Let the repository of an image have the configuration and the layers of a manifest."""
        for part in parts(manifest):
            value = part["digest"].removeprefix("sha256:")
            self._link(self._repository(reference) / "_layers" / "sha256" / value / "link", part["digest"])

    def finish_image(self, reference: str, digest: str) -> None:
        """Say that the whole image is here, under its tag. Its manifest or index was added."""
        self._name_tag(reference, digest)
        self._link(self._link_of(reference, digest), digest)
        self._link(self._tag(reference), digest)

    def add_layout(self, reference: str, layout: Path) -> None:
        """Add an image that is an OCI layout with one manifest."""
        (described,) = json.loads((layout / "index.json").read_text())["manifests"]
        digest, media_type = described["digest"], described["mediaType"]
        if self.has_image(reference, digest) and self._nginx_name(digest, media_type).exists():
            return
        blobs = layout / "blobs" / "sha256"
        manifest = (blobs / digest.removeprefix("sha256:")).read_bytes()
        for part in parts(manifest):
            place(blobs / part["digest"].removeprefix("sha256:"), self.blob(part["digest"]))
        self.add_parts(reference, manifest)
        self.add_manifest(reference, digest, media_type, manifest)
        self.finish_image(reference, digest)

    def name_manifests(self) -> None:
        """Give manifests and tags that a registry program has stored the names that nginx needs."""
        for link in self._storage.glob("repositories/**/_manifests/revisions/sha256/*/link"):
            digest = link.read_text().strip()
            media_type = json.loads(self.blob(digest).read_bytes()).get("mediaType")
            if media_type in KINDS:
                place(self.blob(digest), self._nginx_name(digest, media_type))
        repositories = self._storage / "repositories"
        for link in repositories.glob("**/_manifests/tags/*/current/link"):
            tag, repository = link.parents[1].name, link.parents[4].relative_to(repositories)
            self._name_tag(f"{repository}:{tag}", link.read_text().strip())

    def write_server(self) -> Path:
        """Write a configuration with which nginx serves this folder: `nginx -p FOLDER -c nginx.conf`."""
        path = self.root / CONFIG
        servers = (files_server(".", FILES_PORT), images_server(".", REGISTRY_PORT))
        write_atomically(path, nginx_config("/tmp/hardway-mirror.pid", *servers))  # noqa: S108 - of nginx
        return path

    def _name_tag(self, reference: str, digest: str) -> None:
        repository, _, tag = reference.rpartition(":")
        for kind in KINDS.values():
            manifest = self._registry / "manifests" / f"{digest.removeprefix('sha256:')}.{kind}"
            if manifest.exists():
                place(manifest, self._registry / "tags" / repository / f"{tag}.{kind}")

    def _nginx_name(self, digest: str, media_type: str) -> Path:
        """The name by which nginx finds the media type of a manifest."""
        return self._registry / "manifests" / f"{digest.removeprefix('sha256:')}.{KINDS[media_type]}"

    def _repository(self, reference: str) -> Path:
        return self._storage / "repositories" / reference.rpartition(":")[0]

    def _tag(self, reference: str) -> Path:
        return self._repository(reference) / "_manifests" / "tags" / reference.rpartition(":")[2] / "current" / "link"

    def _link_of(self, reference: str, digest: str) -> Path:
        """Among the manifests that the tag leads to or has led to."""
        value = digest.removeprefix("sha256:")
        return self._tag(reference).parents[1] / "index" / "sha256" / value / "link"

    @staticmethod
    def _link(path: Path, digest: str) -> None:
        # Without a line end, as the registry program writes its links.
        write_atomically(path, digest)


def of_platforms(entries: Iterable[dict[str, Any]], architectures: Iterable[str]) -> list[str]:
    """The digests of the manifests of an index for these architectures of Linux. Raises LookupError."""
    linux: dict[str, str] = {}
    for entry in entries:
        platform = entry.get("platform", {})
        if platform.get("os") == "linux":
            linux.setdefault(platform["architecture"], entry["digest"])
    for architecture in architectures:
        if architecture not in linux:
            raise LookupError(f"no manifest for linux/{architecture}; it has: {', '.join(sorted(linux))}")
    return [linux[architecture] for architecture in architectures]


def parts(manifest: bytes) -> Iterable[dict[str, Any]]:
    """The configuration and the layers of a manifest, each with `digest` and `size`, each once."""
    content = json.loads(manifest)
    found: dict[str, dict[str, Any]] = {part["digest"]: part for part in (content["config"], *content["layers"])}
    return found.values()
