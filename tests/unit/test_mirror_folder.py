"""The folder of a mirror: images from registries with tokens, and what nginx and a registry program make of it."""

import getpass
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import nginx
import pytest
from publisher import Answer, Publisher, authority, publishing, redirect

from components.machines.mirror_server import files_server, nginx_config, registry_server
from tools.common.errors import ToolError
from tools.common.paths import shared_cache
from tools.common.progress import Progress
from tools.common.store import Store
from tools.from_source import catalogue, gobuild
from tools.from_source.oci import INDEX, MANIFEST, File, Settings, layout_digest, write_layout
from tools.mirror.folder import Mirror
from tools.mirror.images import add_image

BOTH = ("amd64", "arm64")


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    certificate, context = authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with publishing(context) as server:
        yield server


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def layout(folder: Path, architecture: str) -> Path:
    write_layout(folder, [[File("/program", content=architecture.encode())]], Settings(("/program",)), architecture)
    return folder


def publish(registry: Publisher, folder: Path, *, typed: bool = True) -> tuple[str, str]:
    """Publish an image for two architectures, whose layers are at another host. Return reference and digest."""
    entries = []
    for architecture in BOTH:
        blobs = layout(folder / architecture, architecture) / "blobs" / "sha256"
        (entry,) = json.loads((folder / architecture / "index.json").read_text())["manifests"]
        entries.append(entry)
        for blob in blobs.iterdir():
            kind = "manifests" if blob.name in entry["digest"] else "blobs"
            there = f"/v2/org/app/{kind}/sha256:{blob.name}"
            if kind == "blobs":
                registry.offer(f"/cdn/{blob.name}", blob.read_bytes())
                registry.offer(there, redirect(registry.url(f"/cdn/{blob.name}")))
            else:
                registry.offer(there, blob.read_bytes())
    attested = {"digest": "sha256:" + "0" * 64, "platform": {"os": "unknown", "architecture": "unknown"}}
    content = {"schemaVersion": 2, "manifests": [attested, *entries]} | ({"mediaType": INDEX} if typed else {})
    index = json.dumps(content).encode()
    challenge = f'Bearer realm="{registry.url("/token")}",service="test"'
    registry.offer(
        f"/v2/org/app/manifests/{digest_of(index)}",
        Answer(status=401, headers={"WWW-Authenticate": challenge}),
        index,
    )
    registry.offer("/token?service=test&scope=repository:org/app:pull", b'{"token": "anonymous"}')
    return f"localhost:{registry.server_port}/org/app:v1", digest_of(index)


def add(mirror: Mirror, reference: str, digest: str, *architectures: str) -> None:
    with Progress("image") as progress:
        add_image(mirror, reference, digest, architectures, progress)


@pytest.mark.parametrize("typed", [True, False])
def test_an_image_is_there_when_all_of_it_is(tmp_path: Path, registry: Publisher, typed: bool) -> None:
    reference, digest = publish(registry, tmp_path / "layouts", typed=typed)
    mirror = Mirror(tmp_path / "mirror")
    assert not mirror.has_image(reference, digest)
    add(mirror, reference, digest, "amd64")
    assert mirror.has_image(reference, digest, ["amd64"]) and not mirror.has_image(reference, digest, BOTH)
    assert not mirror.has_image(reference, "sha256:" + "1" * 64)
    before = len(registry.asked)
    add(mirror, reference, digest, *BOTH)
    assert mirror.has_image(reference, digest, BOTH)
    fetched_again = [path for path in registry.asked[before:] if path.startswith("/cdn/")]
    assert len(fetched_again) == 2, "only the configuration and the layer of the second architecture"


def test_a_token_stays_with_its_registry(tmp_path: Path, registry: Publisher) -> None:
    add(Mirror(tmp_path / "mirror"), *publish(registry, tmp_path / "layouts"), "amd64")
    tokens = {
        path.split("/")[1].partition("?")[0]: seen.get("Authorization")
        for path, seen in zip(registry.asked[2:], registry.seen[2:], strict=True)
    }
    assert tokens == {"v2": "Bearer anonymous", "cdn": None}


def test_a_manifest_with_another_digest_is_refused(tmp_path: Path, registry: Publisher) -> None:
    reference, digest = publish(registry, tmp_path / "layouts")
    registry.offer(f"/v2/org/app/manifests/{digest}", b"{}")
    mirror = Mirror(tmp_path / "mirror")
    with pytest.raises(ToolError) as caught:
        add(mirror, reference, digest, "amd64")
    url = registry.url(f"/v2/org/app/manifests/{digest}", "localhost")
    assert str(caught.value) == f"{url} has the digest {digest_of(b'{}')}, the lock says {digest}"
    assert not mirror.has_image(reference, digest)


def test_a_layer_that_is_not_there_leaves_no_image(tmp_path: Path, registry: Publisher) -> None:
    reference, digest = publish(registry, tmp_path / "layouts")
    for path in [path for path in registry.answers if path.startswith("/cdn/")]:
        registry.offer(path, Answer(status=404))
    mirror = Mirror(tmp_path / "mirror")
    with pytest.raises(ToolError, match=r"/cdn/[0-9a-f]{64} answered with the HTTP status 404"):
        add(mirror, reference, digest, "amd64")
    assert not mirror.has_image(reference, digest)


def test_an_architecture_that_the_image_lacks(tmp_path: Path, registry: Publisher) -> None:
    reference, digest = publish(registry, tmp_path / "layouts")
    with pytest.raises(ToolError, match=r"has no manifest for linux/riscv64; it has: amd64, arm64$"):
        add(Mirror(tmp_path / "mirror"), reference, digest, "riscv64")


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    found = nginx.command(tmp_path_factory.mktemp("nginx"))
    if found is None:
        pytest.skip("no nginx on PATH and no image of local machines: run `make tools`")
    return found


def test_nginx_serves_the_folder(tmp_path: Path, registry: Publisher, program: list[str]) -> None:
    mirror = Mirror(tmp_path / "mirror")
    reference, digest = publish(registry, tmp_path / "layouts")
    add(mirror, reference, digest, "amd64")
    built = layout(tmp_path / "built", "amd64")
    mirror.add_layout("registry.k8s.io/pause:3.10", built)
    (tmp_path / "tool").write_bytes(b"a program")
    mirror.add_file(tmp_path / "tool", "ab" * 32)
    files, images = nginx.free_port(), nginx.free_port()
    servers = files_server("mirror", files), registry_server("mirror", images)
    with nginx.serving(program, tmp_path, nginx_config("pid", *servers, user=getpass.getuser()), images):
        assert nginx.ask(files, f"/files/{'ab' * 32}/tool")[::2] == (200, b"a program")
        assert nginx.ask(files, "/registry/manifests/")[0] == nginx.ask(files, "/files/../nginx.conf")[0] == 404
        assert nginx.ask(images, "/v2/")[::2] == (200, b"{}")
        # containerd asks a mirror with the registry's name in the path, and believes the media type of the answer.
        base = f"/v2/{reference.rpartition(':')[0]}"
        for method in ("HEAD", "GET"):
            status, headers, body = nginx.ask(images, f"{base}/manifests/{digest}", method)
            assert (status, headers["Content-Type"], headers["Docker-Content-Digest"]) == (200, INDEX, digest)
            assert int(headers["Content-Length"]) > 0
        (child,) = [entry for entry in json.loads(body)["manifests"] if entry["platform"]["architecture"] == "amd64"]
        _, headers, body = nginx.ask(images, f"{base}/manifests/{child['digest']}")
        assert headers["Content-Type"] == MANIFEST and digest_of(body) == child["digest"]
        for part in (json.loads(body)["config"], *json.loads(body)["layers"]):
            status, headers, content = nginx.ask(images, f"{base}/blobs/{part['digest']}")
            assert (status, digest_of(content)) == (200, part["digest"])
        assert nginx.ask(images, f"/v2/registry.k8s.io/pause/manifests/{layout_digest(built)}")[0] == 200
        _, headers, body = nginx.ask(images, f"{base}/manifests/v1")
        assert (headers["Content-Type"], digest_of(body)) == (INDEX, digest)
        for missing in (f"{base}/manifests/v2", f"{base}/manifests/sha256:{'0' * 64}", "/registry/manifests/"):
            assert nginx.ask(images, missing)[0] == 404


def test_what_a_registry_program_has_stored_gets_names_for_nginx(tmp_path: Path) -> None:
    mirror, built = Mirror(tmp_path / "mirror"), layout(tmp_path / "built", "amd64")
    mirror.add_layout("registry.k8s.io/a/pause:3.10", built)
    registry = mirror.root / "registry"
    names = {
        path.relative_to(registry) for kind in ("manifests", "tags") for path in (registry / kind).rglob("*.oci-*")
    }
    assert len(names) == 2
    for kind in ("manifests", "tags"):
        shutil.rmtree(registry / kind)
    mirror.name_manifests()
    assert names == {
        path.relative_to(registry) for kind in ("manifests", "tags") for path in (registry / kind).rglob("*.oci-*")
    }


def test_a_registry_program_serves_the_folder(tmp_path: Path) -> None:
    """The layout is the storage of the distribution registry, which people may serve themselves."""
    binary = gobuild.find(catalogue.REGISTRY, Store(shared_cache() / "store"))
    if binary is None:
        pytest.skip("no registry yet: run `make from-source`")
    mirror, built = Mirror(tmp_path / "mirror"), layout(tmp_path / "built", "amd64")
    mirror.add_layout("registry.k8s.io/pause:3.10", built)
    port = nginx.free_port()
    settings = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(mirror.root / "registry")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    (tmp_path / "config.yml").write_text(json.dumps(settings))
    with nginx.running([str(binary), "serve", str(tmp_path / "config.yml")], tmp_path / "log", port):
        base = "/v2/registry.k8s.io/pause"
        for name in (layout_digest(built), "3.10"):
            status, headers, body = nginx.ask(port, f"{base}/manifests/{name}", accept=MANIFEST)
            assert (status, headers["Content-Type"], digest_of(body)) == (200, MANIFEST, layout_digest(built))
        for part in (json.loads(body)["config"], *json.loads(body)["layers"]):
            status, _, content = nginx.ask(port, f"{base}/blobs/{part['digest']}")
            assert (status, digest_of(content)) == (200, part["digest"])
