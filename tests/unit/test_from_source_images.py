"""Images: correct OCI layouts, and the lock of what was built."""

import hashlib
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from components.architecture import of_this_machine
from tools.common.paths import shared_cache, this_clone
from tools.from_source import catalogue, node_image
from tools.from_source.oci import NET_BIND_SERVICE, Content, File, Settings, layout_digest, write_bundle, write_layout


def files(tmp_path: Path) -> list[File]:
    (tmp_path / "program").write_bytes(b"\x7fELF")
    return [
        File("/opt/bin/program", source=tmp_path / "program", capability=NET_BIND_SERVICE),
        File("/etc/passwd", content=b"root:x:0:0::/:/\n", mode=0o644),
        File("/program", link="opt/bin/program"),
        File("/tmp", mode=0o1777),
    ]


def blob(folder: Path, described: dict[str, str]) -> bytes:
    content = (folder / "blobs" / "sha256" / described["digest"].removeprefix("sha256:")).read_bytes()
    assert described["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert described["size"] == len(content)
    return content


def test_layout_is_sound_and_always_the_same(tmp_path: Path) -> None:
    settings = Settings(("/program",), ("serve",), user="65532:65532", ports=("53/udp",))
    digests = {write_layout(tmp_path / name, [files(tmp_path)], settings, "amd64") for name in ("a", "b")}
    assert digests == {layout_digest(tmp_path / "a")}
    (described,) = json.loads((tmp_path / "a" / "index.json").read_text())["manifests"]
    manifest = json.loads(blob(tmp_path / "a", described))
    config = json.loads(blob(tmp_path / "a", manifest["config"]))
    assert config["config"]["Entrypoint"] == ["/program"] and config["config"]["User"] == "65532:65532"
    (layer,) = manifest["layers"]
    blob(tmp_path / "a", layer)
    assert config["rootfs"]["diff_ids"] == [layer["digest"]]


def test_layer_holds_parents_links_rights_and_capabilities(tmp_path: Path) -> None:
    folder = tmp_path / "image"
    write_layout(folder, [files(tmp_path)], Settings(("/program",)), "amd64")
    layer = max((folder / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    with tarfile.open(layer) as tar:
        entries = {entry.name: entry for entry in tar}
    assert list(entries) == ["etc", "etc/passwd", "opt", "opt/bin", "opt/bin/program", "program", "tmp"]
    assert entries["opt"].isdir() and entries["tmp"].mode == 0o1777 and entries["etc/passwd"].mode == 0o644
    assert entries["program"].linkname == "opt/bin/program"
    capability = entries["opt/bin/program"].pax_headers["SCHILY.xattr.security.capability"].encode()
    assert capability == bytes.fromhex("0100000200040000000000000000000000000000")
    assert {entry.mtime for entry in entries.values()} == {0}


def test_images_of_a_bundle_share_layers_and_have_names(tmp_path: Path) -> None:
    """A tar file becomes one layer, as it is, however many images have it."""
    base = tmp_path / "base.tar"
    with tarfile.open(base, "w") as tar:
        tar.add(tmp_path, "base", recursive=False)
    first = Content([base, files(tmp_path)], Settings(("/program",)))
    second = Content([base], Settings((), ("sh",)))
    write_bundle(tmp_path / "bundle", {"registry.k8s.io/a:1.0": first, "registry.k8s.io/b:2": second}, "amd64")
    described = json.loads((tmp_path / "bundle" / "index.json").read_text())["manifests"]
    assert [entry["annotations"] for entry in described] == [
        {"io.containerd.image.name": "registry.k8s.io/a:1.0", "org.opencontainers.image.ref.name": "1.0"},
        {"io.containerd.image.name": "registry.k8s.io/b:2", "org.opencontainers.image.ref.name": "2"},
    ]
    layers = [json.loads(blob(tmp_path / "bundle", entry))["layers"] for entry in described]
    assert layers[0][0] == layers[1][0] and (len(layers[0]), len(layers[1])) == (2, 1)
    assert blob(tmp_path / "bundle", layers[0][0]) == base.read_bytes()


@pytest.mark.skipif(not (this_clone().cache / "artifacts.lock.json").exists(), reason="nothing built: run `make tools`")
def test_lock_of_this_clone_names_files_that_the_mirror_has() -> None:
    lock = json.loads((this_clone().cache / "artifacts.lock.json").read_text())
    default = lock["artifacts"]["kubelet"][catalogue.KUBERNETES_DEFAULT][of_this_machine()]
    assert default[0]["files"] == {"kubelet": ""}
    for versions in lock["artifacts"].values():
        for architectures in versions.values():
            for source in architectures[of_this_machine()]:
                file = shared_cache() / source["url"].replace("{mirror}", "mirror")
                assert file.is_file() and source["sha256"] in file.parts


@pytest.mark.skipif(not (this_clone().bin / "kubectl").exists(), reason="nothing built: run `make tools`")
def test_programs_know_their_version() -> None:
    kubectl = [str(this_clone().bin / "kubectl"), "version", "--client", "--output=json"]
    version = json.loads(subprocess.run(kubectl, capture_output=True, text=True, check=True).stdout)["clientVersion"]
    assert version["gitVersion"] == f"v{catalogue.KUBERNETES_DEFAULT}" and version["gitTreeState"] == "clean"


def test_files_of_the_machine_do_not_depend_on_the_checkout(tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.tar"
    node_image.write_overlay(overlay)
    with tarfile.open(overlay) as tar:
        entries = {entry.name: entry for entry in tar}
        boot = tar.extractfile("usr/local/lib/hardway/boot")
        assert boot
        subprocess.run(["/bin/sh", "-n"], input=boot.read(), check=True)
    assert entries["usr/local/lib/hardway/boot"].mode == 0o755
    assert entries["etc/ssh/sshd_config.d/hardway.conf"].mode == 0o644
    assert entries["root/.ssh"].mode == 0o700
    assert {(entry.uid, entry.gid, entry.mtime) for entry in entries.values()} == {(0, 0, 0)}
    assert entries["etc/systemd/system/apt-daily.timer"].linkname == "/dev/null"
