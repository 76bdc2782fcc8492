"""The mirror that local machines fetch from: files by digest, and the storage of an OCI registry.

It only grows, so a stack that was made from an older build goes on working. The two files that this clone's program
reads, the lock and the facts about this host, are written here as well.
"""

import contextlib
import json
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools import catalogue, gobuild, images
from tools.catalogue import Image, Program
from tools.errors import ToolError
from tools.oci import layout_digest
from tools.store import Store, place, write_atomically

_START_SECONDS = 20.0


class Mirror:
    """The mirror of one shared cache."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._storage = root / "registry"

    def add_file(self, file: Path) -> str:
        """Add a finished program; return its path below the mirror."""
        sha256 = gobuild.sha256(file)
        relative = f"files/{sha256}/{file.name}"
        place(file, self.root / relative)
        return relative

    def add_images(self, wanted: Iterable[Image], store: Store) -> None:
        """Push finished images which the registry lacks; a registry runs on 127.0.0.1 meanwhile."""
        layouts = {image: folder for image in wanted if (folder := images.find(image, store))}
        lacking = {
            image: folder for image, folder in layouts.items() if not self.has_image(image, layout_digest(folder))
        }
        if not lacking:
            return
        crane = gobuild.find(catalogue.CRANE, store)
        with store.exclusive("registry"), self.registry(store) as address:
            for image, folder in lacking.items():
                command = [str(crane), "push", "--insecure", str(folder), f"{address}/{_place(image)}"]
                answer = subprocess.run(command, capture_output=True, text=True, check=False)
                if answer.returncode != 0:
                    raise ToolError(f"image {image.reference} cannot be put into the mirror: {answer.stderr.strip()}")

    def has_image(self, image: Image, digest: str) -> bool:
        """Whether the registry's storage has an image with this digest under its tag."""
        repository, _, tag = _place(image).rpartition(":")
        link = self._storage / "docker/registry/v2/repositories" / repository / "_manifests/tags" / tag / "current/link"
        return link.is_file() and link.read_text().strip() == digest

    @contextlib.contextmanager
    def registry(self, store: Store) -> Iterator[str]:
        """Run a registry over the mirror's storage; give its host:port."""
        program = gobuild.find(catalogue.REGISTRY, store)
        if program is None:
            raise ToolError("the registry is not built yet: run `make tools`")
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
        settings = {
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self._storage)}, "delete": {"enabled": False}},
            "http": {"addr": address},
        }
        with tempfile.TemporaryDirectory(prefix="hardway-registry-") as folder:
            config = Path(folder) / "config.yml"
            config.write_text(json.dumps(settings))  # JSON is YAML
            log = Path(folder) / "log"
            with log.open("w") as output:
                server = subprocess.Popen([str(program), "serve", str(config)], stdout=output, stderr=output)
            try:
                _wait_until_up(f"http://{address}/v2/", server, log)
                yield address
            finally:
                server.terminate()
                server.wait()


def write_lock(path: Path, store: Store) -> None:
    """Write the lock of all that is built, in whatever version; URLs start with the literal `{mirror}`."""
    artifacts: dict[str, dict[str, dict[str, list[dict[str, object]]]]] = {}
    for program in catalogue.everything():
        file = gobuild.find(program, store)
        if program.artifact and file:
            versions = artifacts.setdefault(program.artifact, {}).setdefault(program.version, {})
            versions.setdefault(gobuild.architecture(), []).append(_source(program, gobuild.sha256(file)))
    built = {image: folder for image in catalogue.IMAGES if (folder := images.find(image, store))}
    locked = {
        image.name: {image.version: {"reference": image.reference, "digest": layout_digest(folder)}}
        for image, folder in built.items()
    }
    write_atomically(path, json.dumps({"artifacts": artifacts, "images": locked}, indent=2) + "\n")


def _source(program: Program, sha256: str) -> dict[str, object]:
    url = f"{{mirror}}/files/{sha256}/{program.name}"
    return {"url": url, "sha256": sha256, "archive": None, "files": {program.name: ""}}


def _place(image: Image) -> str:
    """Name an image in the mirror: the registry's host is the first part of the repository."""
    return image.reference


def _wait_until_up(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1):  # noqa: S310 - our own server
            return
        time.sleep(0.05)
    raise ToolError(f"the registry does not start: {log.read_text().strip()}")
