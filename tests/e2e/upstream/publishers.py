"""Stand-ins for the publishers: release pages that redirect, registries with tokens, all behind one proxy.

The files are the programs that are built here, packed as the projects pack theirs, with their forms of checksums.
Names and certificates are those of the publishers, from an authority that only the test trusts. The proxy knows no
other host.
"""

import contextlib
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from tests.publisher import Answer, Publisher, authority, publishing, redirect
from tools.common.paths import shared_cache
from tools.common.store import Store
from tools.from_source import catalogue, gobuild, images
from tools.from_source.catalogue import Program
from tools.from_source.oci import MANIFEST, layout_digest
from tools.from_upstream.lock import IMAGES, RELEASES

KUBERNETES = "1.37.1"
_CDN = {"dl.k8s.io": "cdn.dl.k8s.io", "github.com": "release-assets.githubusercontent.com"}
NAMES = (*_CDN, *_CDN.values(), "registry.k8s.io", "ghcr.io", "registry-1.docker.io", "auth.docker.io")
_STORE = Store(shared_cache() / "store")


@dataclass(frozen=True)
class Publishers:
    """All publishers: the server behind their names, and the proxy that leads to it."""

    server: Publisher
    proxy: Publisher
    certificate: Path
    """The authority, as a file."""

    def environment(self) -> dict[str, str]:
        """The variables of a user behind this proxy who trusts this authority."""
        url = self.proxy.url()
        names = {"http_proxy": url, "https_proxy": url, "no_proxy": "127.0.0.1,localhost"}
        both = names | {name.upper(): value for name, value in names.items()}
        return both | {"SSL_CERT_FILE": str(self.certificate)}

    def file(self, artifact: str) -> str:
        """The path on the asset host of an artifact's release file."""
        (path,) = [path for path in self.server.answers if path.startswith("/asset/") and f"?{artifact}=" in path]
        return path

    def offer(self, artifact: str, *answers: Answer | bytes) -> bytes:
        """Let the asset host of an artifact answer otherwise. Return the right file."""
        path = self.file(artifact)
        whole = self.server.answers[path][-1].body
        self.server.offer(path, *answers)
        return whole


@contextlib.contextmanager
def publishers(folder: Path) -> Iterator[Publishers]:
    """The running publishers."""
    certificate, context = authority(folder, NAMES)
    with publishing(context) as server, publishing() as proxy:
        proxy.routes = dict.fromkeys(NAMES, server.server_port)
        for artifact, programs in _artifacts().items():
            _publish(server, artifact, programs)
        for image in catalogue.IMAGES:
            _publish_image(server, image)
        yield Publishers(server, proxy, certificate)


def _artifacts() -> dict[str, list[Program]]:
    found: dict[str, list[Program]] = {}
    for program in (*catalogue.kubernetes(KUBERNETES), *catalogue.NODE):
        if program.artifact:
            found.setdefault(program.artifact, []).append(program)
    return found


def _publish(server: Publisher, artifact: str, programs: list[Program]) -> None:
    release, version = RELEASES[artifact], programs[0].version
    url, checksums = (text.format(v=version, a="amd64") for text in (release.url, release.checksums))
    places = {name: path.format(v=version, a="amd64") for name, path in release.files.items()}
    built = {program.name: gobuild.find(program, _STORE) for program in programs}
    files = {name: path.read_bytes() for name, path in built.items() if path}
    assert set(places) <= set(files), f"not built: {artifact}"
    content = _archive({places[name]: files[name] for name in places}) if places != {artifact: ""} else files[artifact]
    name, digest = url.rpartition("/")[2], hashlib.sha256(content).hexdigest()
    host, path = url.removeprefix("https://").partition("/")[::2]
    # As the publishers do: a query of the asset is a credential, so the path is not guessable.
    asset = f"/asset/{name}?{artifact}=signature"
    server.offer(asset, content)
    server.offer(f"/{path}", redirect(f"https://{_CDN[host]}{asset}"))
    alone = checksums == f"{url}.sha256" and host == "dl.k8s.io"
    text = digest if alone else f"{'0' * 64}  other-{name}\n{digest}  {name}\n"
    server.offer("/" + checksums.removeprefix("https://").partition("/")[2], text.encode())


def _archive(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _publish_image(server: Publisher, image: catalogue.Image) -> None:
    folder = images.find(image, _STORE)
    assert folder, f"not built: {image.reference}"
    name, _, tag = IMAGES[image.name].format(v=image.version).rpartition(":")
    host, _, repository = name.partition("/")
    service = "auth.docker.io" if host == "docker.io" else host
    challenge = f'Bearer realm="https://{service}/token",service="{service}"' if host != "registry.k8s.io" else ""
    scope = f"repository:{repository}:pull"
    # As our client asks, and as containerd does.
    for query in (f"service={service}&scope={scope}", urlencode({"scope": scope, "service": service})):
        server.offer(f"/token?{query}", json.dumps({"token": "t"}).encode())
    manifest = layout_digest(folder)
    for blob in (folder / "blobs" / "sha256").iterdir():
        digest, body = f"sha256:{blob.name}", blob.read_bytes()
        if digest == manifest:
            for place in (digest, tag):
                server.offer(
                    f"/v2/{repository}/manifests/{place}",
                    Answer(body, headers={"Content-Type": MANIFEST}, challenge=challenge),
                )
        else:
            server.offer(f"/v2/{repository}/blobs/{digest}", Answer(body, challenge=challenge))
    server.offer("/v2/", Answer(b"{}", challenge='Bearer realm="https://auth.docker.io/token"'))
