"""Everything that a page needs comes into a mirror: from a real server, for the page of a clone."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import page_values
from publisher import Answer, Publisher, authority, publishing

from components.architecture import ARCHITECTURES, of_this_machine
from components.artifacts.choice import artifact_versions, choose_lock, image_versions
from components.config import load
from tools.common.errors import ToolError
from tools.common.paths import Clone
from tools.from_source.oci import File, Settings, layout_digest, write_layout
from tools.mirror import carried, prepared
from tools.mirror.folder import Mirror

LOCAL = load(page_values("stacked"))
HOSTS = page_values("existing") | {"artifacts": {}}


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    certificate, context = authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with publishing(context) as server:
        monkeypatch.setattr(prepared, "UPSTREAM_LOCK", published(server, tmp_path))
        yield server


def published(server: Publisher, folder: Path) -> Path:
    """Publish a file for each artifact and one image. Return their lock."""
    artifacts: dict[str, Any] = {}
    for name, version in artifact_versions(LOCAL).items():
        artifacts[name] = {version: {of_this_machine(): [publish_file(server, name, version)]}}
    images = {}
    for name, version in {**image_versions(LOCAL), "agnhost": "2.0"}.items():
        digest = publish_image(server, folder / f"image-{name}", name, of_this_machine())
        images[name] = {version: {"reference": f"localhost:{server.server_port}/{name}:1", "digest": digest}}
    path = folder / "test.lock.json"
    path.write_text(json.dumps({"artifacts": artifacts, "images": images}))
    return path


def publish_file(server: Publisher, name: str, version: str) -> dict[str, Any]:
    """Publish a release file. Return its entry in a lock."""
    content = f"{name} {version}".encode()
    url = server.offer(f"/{version}/{name}", content)
    return {"url": url, "sha256": hashlib.sha256(content).hexdigest(), "archive": None, "files": {name: ""}}


def publish_image(server: Publisher, folder: Path, name: str, architecture: str) -> str:
    """Publish an image of one architecture. Return its digest."""
    write_layout(folder, [[File("/x", content=architecture.encode())]], Settings(("/x",)), architecture)
    for blob in (folder / "blobs" / "sha256").iterdir():
        for kind in ("manifests", "blobs"):
            server.offer(f"/v2/{name}/{kind}/sha256:{blob.name}", blob.read_bytes())
    return layout_digest(folder)


def clone_with(folder: Path, values: dict[str, Any], stack: str = "dev") -> Clone:
    """A clone with one page."""
    clone = Clone(folder / "clone")
    clone.root.mkdir()
    clone.page(stack).write_text(yaml.safe_dump({"config": {f"hardway:{key}": item for key, item in values.items()}}))
    return clone


def test_local_machines_get_everything_once(
    tmp_path: Path, publisher: Publisher, capsys: pytest.CaptureFixture[str]
) -> None:
    clone, mirror = clone_with(tmp_path, page_values("stacked")), Mirror(tmp_path / "mirror")
    prepared.ensure(clone, mirror, clone.page("dev"), whole=True)
    names = {path.name for path in mirror.root.glob("files/*/*")}
    assert names == set(artifact_versions(LOCAL))
    for image in (*image_versions(LOCAL), "agnhost"):
        assert list(mirror.root.glob(f"registry/tags/*/{image}/1.oci-manifest")), image
    assert (clone.bin / "kubectl").read_text() == f"kubectl {LOCAL.versions.kubernetes}"
    assert (clone.bin / "kubectl").stat().st_mode & 0o111
    count = len(publisher.asked)
    (clone.bin / "kubectl").unlink()
    prepared.ensure(clone, mirror, clone.page("dev"), whole=True)
    assert (clone.bin / "kubectl").exists() and len(publisher.asked) == count
    assert "everything is in" in capsys.readouterr().err


def test_what_nodes_fetch_is_what_the_mirror_has(
    tmp_path: Path, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The URLs of a release, with the gateway's address, are files of the mirror."""
    if of_this_machine() != "amd64":
        pytest.skip("nodes are amd64")
    monkeypatch.setattr("components.artifacts.choice.UPSTREAM_LOCK", prepared.UPSTREAM_LOCK)
    clone, mirror = clone_with(tmp_path, page_values("stacked")), Mirror(tmp_path / "mirror")
    prepared.ensure(clone, mirror, clone.page("dev"), whole=True)
    lock = choose_lock(load(page_values("stacked") | {"artifacts": {"source": "upstream"}}))
    for name, version in artifact_versions(LOCAL).items():
        for source in lock.artifact(name, version, "amd64").sources:
            assert source.url.startswith("{mirror}/files/")
            file = Path(source.url.replace("{mirror}", str(mirror.root)))
            assert hashlib.sha256(file.read_bytes()).hexdigest() == source.sha256


def test_hosts_need_kubectl_only(tmp_path: Path, publisher: Publisher) -> None:
    clone, mirror = clone_with(tmp_path, HOSTS), Mirror(tmp_path / "mirror")
    prepared.ensure(clone, mirror, clone.page("dev"), whole=False)
    assert {path.name for path in mirror.root.glob("files/*/*")} == {"kubectl"}
    assert (clone.bin / "kubectl").exists()


def test_hosts_do_without_kubectl(tmp_path: Path, publisher: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
    url = publisher.offer(f"/{LOCAL.versions.kubernetes}/kubectl", Answer(status=403))
    clone = clone_with(tmp_path, HOSTS)
    prepared.ensure(clone, Mirror(tmp_path / "mirror"), clone.page("dev"), whole=False)
    assert not (clone.bin / "kubectl").exists()
    said = capsys.readouterr().err
    assert said == f"`make env` has no kubectl {LOCAL.versions.kubernetes}: {url} answered with the HTTP status 403\n"


def test_a_wrong_page_is_told_before_anything_is_fetched(tmp_path: Path, publisher: Publisher) -> None:
    values = page_values("stacked") | {"versions": {"kubernetes": "37"}}
    clone = clone_with(tmp_path, values)
    with pytest.raises(ToolError, match=r"^Pulumi\.dev\.yaml: hardway:versions\.kubernetes: '37' is not"):
        prepared.ensure(clone, Mirror(tmp_path / "mirror"), clone.page("dev"), whole=True)
    assert publisher.asked == []


def test_a_version_outside_of_the_lock_is_one_sentence(tmp_path: Path, publisher: Publisher) -> None:
    clone = clone_with(tmp_path, page_values("stacked") | {"versions": {"etcd": "3.7.9"}})
    with pytest.raises(ToolError, match=r"no etcd 3\.7\.9 for amd64, it has: "):
        prepared.ensure(clone, Mirror(tmp_path / "mirror"), clone.page("dev"), whole=True)


def test_a_folder_for_an_air_gap(tmp_path: Path, publisher: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
    values = page_values("existing") | {"artifacts": {"source": "upstream", "mirror": "http://mirror.example.com"}}
    clone, folder = clone_with(tmp_path, values), tmp_path / "stick"
    carried.fill_folder(clone, "dev", folder, [of_this_machine()])
    assert {path.name for path in folder.glob("files/*/*")} == set(artifact_versions(LOCAL))
    assert "listen 5000;" in (folder / "nginx.conf").read_text()
    count = len(publisher.asked)
    carried.fill_folder(clone, "dev", folder, [of_this_machine()])
    assert len(publisher.asked) == count
    assert f"\n0 downloads; {folder} has all programs and images of Pulumi.dev.yaml" in capsys.readouterr().err


def test_a_folder_has_the_files_of_each_architecture_of_the_page(
    tmp_path: Path, publisher: Publisher, capsys: pytest.CaptureFixture[str]
) -> None:
    """The image of flannel has a digest for each architecture, and one tag for both."""
    lock = json.loads(prepared.UPSTREAM_LOCK.read_text())
    for name, versions in lock["artifacts"].items():
        for version in versions:
            versions[version] = {each: [publish_file(publisher, f"{name}-{each}", version)] for each in ARCHITECTURES}
    (flannel,) = lock["images"]["flannel"].values()
    flannel["digest"] = {each: publish_image(publisher, tmp_path / each, "flannel", each) for each in ARCHITECTURES}
    prepared.UPSTREAM_LOCK.write_text(json.dumps(lock))
    clone, folder = clone_with(tmp_path, page_values("mixed")), tmp_path / "stick"
    carried.fill_folder(clone, "dev", folder)
    wanted = {f"{name}-{each}" for name in artifact_versions(LOCAL) for each in ARCHITECTURES}
    assert {path.name for path in folder.glob("files/*/*")} == wanted
    assert "of Pulumi.dev.yaml for amd64 and arm64" in capsys.readouterr().err
    for digest in flannel["digest"].values():
        assert Mirror(folder).blob(digest).exists()
    count = len(publisher.asked)
    carried.fill_folder(clone, "dev", folder)
    assert len(publisher.asked) == count


def test_built_programs_are_not_downloaded(tmp_path: Path, publisher: Publisher) -> None:
    values = page_values("existing") | {"artifacts": {"source": "mirror", "mirror": "http://mirror.example.com"}}
    clone = clone_with(tmp_path, values)
    with pytest.raises(ToolError, match=r"'mirror' names built programs, .*; allowed for release files"):
        carried.fill_folder(clone, "dev", tmp_path / "stick", [of_this_machine()])
    with pytest.raises(ToolError, match=r"^there is no page Pulumi\.prod\.yaml"):
        carried.fill_folder(clone, "prod", tmp_path / "stick", [of_this_machine()])
