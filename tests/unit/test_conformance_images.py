"""Stand-ins of test images on local machines: what is sent to which machine, and what a refusal says."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from tools.common.errors import ToolError
from tools.common.paths import Clone
from tools.conformance import stand_ins
from tools.conformance.stand_ins import LocalMachines

ENGINE = """\
#!/bin/sh
# A container engine that keeps its arguments and its standard input. worker-2 refuses if the file `refuse` exists.
here=$(dirname "$0")
printf '%s\\n' "$*" >>"$here/calls"
case "$*" in
    *" import -") cat >"$here/$3.tar" ;;
esac
if [ -e "$here/refuse" ] && [ "$3" = lab-worker-2 ]; then
    echo 'ctr: no space left on device' >&2
    exit 1
fi
"""


@pytest.fixture
def machines(tmp_path: Path) -> LocalMachines:
    """Two workers, as the files of a clone describe them."""
    engine = tmp_path / "engine"
    engine.write_text(ENGINE)
    engine.chmod(0o755)
    clone = Clone(tmp_path)
    (clone.state / "dev").mkdir(parents=True)
    clone.cache.mkdir()
    (clone.cache / "local.json").write_text(json.dumps({"engine": [str(engine)]}))
    (clone.state / "dev" / "lab.json").write_text(json.dumps({"name": "lab"}))
    return stand_ins.of(clone, "dev", ["worker-1", "worker-2"])


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive that names two images."""
    names = ("registry.k8s.io/pause:3.10.2", "registry.k8s.io/etcd:3.7.0-0")
    index = json.dumps({"manifests": [{"annotations": {"io.containerd.image.name": name}} for name in names]}).encode()
    path = tmp_path / "images.tar"
    with tarfile.open(path, "w") as tar:
        entry = tarfile.TarInfo("index.json")
        entry.size = len(index)
        tar.addfile(entry, io.BytesIO(index))
    return path


def test_each_worker_gets_the_archive_and_gives_the_images_back(
    machines: LocalMachines, archive: Path, tmp_path: Path
) -> None:
    stand_ins.bring(machines, archive)
    for node in machines.nodes:
        assert (tmp_path / f"lab-{node}.tar").read_bytes() == archive.read_bytes()
    (tmp_path / "calls").unlink()
    stand_ins.take_away(machines, archive)
    ctr = "/opt/kubernetes/bin/ctr --namespace k8s.io images"
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"exec --interactive lab-{node} sh -c {ctr} rm --sync registry.k8s.io/pause:3.10.2 registry.k8s.io/etcd:3.7.0-0"
        for node in machines.nodes
    ]


def test_a_machine_that_does_not_take_the_images_is_named(
    machines: LocalMachines, archive: Path, tmp_path: Path
) -> None:
    (tmp_path / "refuse").touch()
    with pytest.raises(ToolError, match=r"^machine worker-2 did not take the images: ctr: no space left on device$"):
        stand_ins.bring(machines, archive)
