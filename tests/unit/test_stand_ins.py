"""Stand-ins of upstream's test images: which there are, and what they are made of."""

import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from tools.common.paths import shared_cache
from tools.common.store import Store
from tools.from_source import stand_ins
from tools.from_source.oci import Content, File

PROGRAMS = ("agnhost", "nnp", "sample-apiserver", "etcd", "etcdctl", "busybox", "pause")


@pytest.fixture
def images(tmp_path: Path) -> dict[str, Content]:
    """The images, with programs that only have names. busybox is a script that lists its applets."""
    programs = {name: tmp_path / name for name in PROGRAMS}
    programs["busybox"].write_text("#!/bin/sh\necho busybox; echo sh; echo cat\n")
    programs["busybox"].chmod(0o755)
    return stand_ins.contents(programs, tmp_path / "debian.tar", tmp_path / "images")


def in_image(content: Content) -> dict[str, File]:
    return {file.path: file for layer in content.layers if isinstance(layer, list) for file in layer}


def test_references_are_those_of_the_tests(images: dict[str, Content]) -> None:
    """The versions of test/utils/image/manifest.go of Kubernetes 1.37.1."""
    assert sorted(images) == [
        "registry.k8s.io/e2e-test-images/agnhost:2.55",
        "registry.k8s.io/e2e-test-images/agnhost:2.66.1",
        "registry.k8s.io/e2e-test-images/busybox:1.37.0-2",
        "registry.k8s.io/e2e-test-images/glibc-dns-testing:2.1.1",
        "registry.k8s.io/e2e-test-images/ipc-utils:1.4",
        "registry.k8s.io/e2e-test-images/kitten:1.8",
        "registry.k8s.io/e2e-test-images/nautilus:1.8",
        "registry.k8s.io/e2e-test-images/nginx:1.27.0-2",
        "registry.k8s.io/e2e-test-images/nginx:1.28.0-2",
        "registry.k8s.io/e2e-test-images/nonewprivs:1.4",
        "registry.k8s.io/e2e-test-images/nonroot:1.5",
        "registry.k8s.io/e2e-test-images/sample-apiserver:1.29.2",
        "registry.k8s.io/etcd:3.7.0-0",
        "registry.k8s.io/pause:3.10.2",
    ]


def test_busybox_is_nothing_but_busybox(images: dict[str, Content], tmp_path: Path) -> None:
    content = images["registry.k8s.io/e2e-test-images/busybox:1.37.0-2"]
    assert all(isinstance(layer, list) for layer in content.layers)
    files = in_image(content)
    assert {path: file.link for path, file in files.items() if file.link} == {
        "/bin/sh": "busybox",
        "/bin/cat": "busybox",
    }
    assert files["/bin/busybox"].source == tmp_path / "busybox" and files["/tmp"].mode == 0o1777


def test_privileges_that_the_tests_are_about(images: dict[str, Content]) -> None:
    """A program that takes the rights of root, and an image whose user is not root."""
    escalating = in_image(images["registry.k8s.io/e2e-test-images/nonewprivs:1.4"])["/usr/local/bin/nnp"]
    assert escalating.mode == 0o6755
    assert images["registry.k8s.io/e2e-test-images/nonroot:1.5"].settings.user == "1234"


@pytest.fixture
def archive() -> Path:
    """The built archive."""
    found = stand_ins.find(Store(shared_cache() / "store"))
    if found is None:
        pytest.skip("the stand-ins are not built: `make conformance`")
    return found


def test_the_archive_has_all_images(images: dict[str, Content], archive: Path) -> None:
    assert sorted(stand_ins.names(archive)) == sorted(images)


def test_the_shell_of_busybox_hands_on_every_variable(archive: Path, tmp_path: Path) -> None:
    """Debian's does not, and four specs of the suite are about such variables."""
    with tarfile.open(archive) as tar:
        index = json.loads(read(tar, "index.json"))
        (digest,) = (
            one["digest"]
            for one in index["manifests"]
            if one["annotations"]["io.containerd.image.name"].endswith("/busybox:1.37.0-2")
        )
        (layer,) = json.loads(read(tar, blob(digest)))["layers"]
        with tarfile.open(fileobj=io.BytesIO(read(tar, blob(layer["digest"])))) as files:
            files.extract("bin/busybox", tmp_path, filter="data")
    done = subprocess.run(
        [tmp_path / "bin/busybox", "sh", "-c", "env"],
        env={"data-1": "value-1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "data-1=value-1" in done.stdout.splitlines()


def blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def read(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    assert file
    return file.read()
