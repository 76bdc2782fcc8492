"""Steps before `go build`: files of kube-network-policies and kwok, on the real modules if Go has them in its cache."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from bench import kwok
from tools.common.errors import ToolError
from tools.common.progress import Progress
from tools.from_source import catalogue, gobuild, preparations
from tools.from_source.catalogue import Program
from tools.from_source.preparations import Job

MODULE = "sigs.k8s.io/kube-network-policies"
CONTROLLER = "pkg/networkpolicy/controller.go"


def go(*words: str) -> str:
    return subprocess.run(["go", *words], capture_output=True, text=True, check=True).stdout.strip()


def in_cache(name: str, version: str, command: str) -> Path:
    """The folder of a module in Go's cache, which `command` fills. Nothing is downloaded."""
    if shutil.which("go") is None:
        pytest.skip("there is no go on PATH")
    folder = Path(go("env", "GOMODCACHE")) / f"{name}@v{version}"
    if not folder.is_dir():
        pytest.skip(f"{name} is not in Go's cache: run `{command}`")
    return folder


def job_of(program: Program, tmp_path: Path) -> Job:
    source = shutil.copytree(gobuild.GO_MODULES / program.folder, tmp_path / "source")
    log = tmp_path / "log"
    return Job(program, source, tmp_path, ["go"], gobuild.environment(program), log, Progress("test"))


@pytest.fixture
def module() -> Path:
    """The module in Go's cache."""
    return in_cache(MODULE, catalogue.KUBE_NETWORK_POLICIES.version, "make tools")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return job_of(catalogue.KUBE_NETWORK_POLICIES, tmp_path)


def test_a_copy_of_the_module_asks_for_the_queue_in_another_way(job: Job, module: Path) -> None:
    before = (module / CONTROLLER).read_text()
    preparations.kube_network_policies_queue(job)
    after = (job.source / "upstream" / CONTROLLER).read_text()
    assert after.count("toQueue(queue),\n") == 10 and "\t\t\t\tqueue,\n" not in after
    assert after.replace("toQueue(queue)", "queue") == before == (module / CONTROLLER).read_text()
    assert (job.source / "upstream/pkg/networkpolicy/queue.go").read_text().startswith("package networkpolicy\n")
    assert f"replace {MODULE} => ./upstream" in (job.source / "go.mod").read_text()


def test_another_text_is_an_error(job: Job, module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer version may have other rules: then somebody has to look."""
    other = tmp_path / "other"
    (other / CONTROLLER).parent.mkdir(parents=True)
    (other / CONTROLLER).write_text((module / CONTROLLER).read_text().replace("\t\t\t\tqueue,\n", "", 1))
    monkeypatch.setattr(preparations, "module_folder", lambda *_: other)
    with pytest.raises(ToolError, match=r"controller\.go is not the text for which the change of the queue was made"):
        preparations.kube_network_policies_queue(job)


def test_kwok_gets_the_files_that_a_measurement_uses(tmp_path: Path) -> None:
    in_cache("sigs.k8s.io/kwok", catalogue.KWOK.version, 'make bench ARGS="--what scale"')
    preparations.kwok_files(job_of(catalogue.KWOK, tmp_path))
    files = [tmp_path / "stage" / name for name in kwok.STAGES] + [tmp_path / "rbac" / name for name in kwok.RIGHTS]
    assert {yaml.safe_load(file.read_text())["kind"] for file in files} == {
        "Stage",
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
    }
    # Otherwise the store could not remove an unfinished output.
    assert all(path.stat().st_mode & 0o200 for path in tmp_path.rglob("*"))
