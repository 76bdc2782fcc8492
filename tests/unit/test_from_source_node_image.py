"""Images of local machines in the engine: the present image is kept, images with earlier digests are removed."""

import os
from pathlib import Path

import pytest

from tools.common.paths import NODE_IMAGE
from tools.common.progress import Progress
from tools.common.store import Store
from tools.from_source import node_image
from tools.prepare import clean_cache

OLD, USED = f"{NODE_IMAGE}:0123456789ab", f"{NODE_IMAGE}:ba9876543210"
OTHERS = [f"{NODE_IMAGE}-of-others:latest", "docker.io/library/debian:12"]

# A simulated engine that keeps the names of its images in a file, and matches references like podman.
ENGINE = f"""#!/bin/sh
images=$(dirname "$0")/images
case $1 in
images) grep hardway-node "$images" ;;
image) grep -qx "$5" "$images" ;;
import) for name; do :; done; echo "$name" >>"$images" ;;
rmi)
    if [ "$2" = {USED} ]; then echo "image is in use by a container" >&2; exit 2; fi
    grep -vx "$2" "$images" >"$images.new"; mv "$images.new" "$images" ;;
*) exit 64 ;;
esac
"""


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "images").write_text("\n".join([OLD, USED, *OTHERS]) + "\n")
    (tmp_path / "bin" / "podman").write_text(ENGINE)
    (tmp_path / "bin" / "podman").chmod(0o755)
    return tmp_path / "bin" / "podman"


def images(engine: Path) -> list[str]:
    return engine.with_name("images").read_text().split()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "shared" / "store")
    folder = store.path("machine", node_image.digest())
    folder.mkdir(parents=True)
    (folder / node_image.TAR).write_bytes(b"")
    return store


def test_images_of_earlier_digests_go_unless_a_container_uses_them(engine: Path, store: Store) -> None:
    new = node_image.ensure([str(engine)], store, Progress("image"))
    assert images(engine) == [USED, *OTHERS, new]
    # Another clone may use another commit, so nothing is removed unless a new image is made.
    engine.with_name("images").write_text("\n".join([OLD, new]) + "\n")
    node_image.ensure([str(engine)], store, Progress("image"))
    assert images(engine) == [OLD, new]


def test_clean_cache_removes_all_images_of_ours(
    engine: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{engine.parent}{os.pathsep}{os.environ['PATH']}")
    # docker of this host is not used.
    (engine.parent / "docker").symlink_to("/bin/false")
    clean_cache.run(tmp_path / "shared")
    assert images(engine) == [USED, *OTHERS]
    assert not (tmp_path / "shared").exists()
