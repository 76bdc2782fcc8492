"""The configuration of kube-bench: paths that the nodes of hardway have, and texts that the benchmark has."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clusters import cluster

from components.node.model import ROOT
from tools.cis import benchmark, config
from tools.cis.benchmark import MASTER, NODE, TARGETS
from tools.cis.program import find
from tools.common.errors import ToolError
from tools.common.paths import shared_cache
from tools.common.store import Store
from tools.from_source import catalogue, gobuild

RECORDED = Path(__file__).parents[1] / "data" / "cis" / "controls.tsv"


def paths(value: Any) -> Iterator[str]:
    """All absolute paths in the configuration."""
    if isinstance(value, dict):
        for of in value.values():
            yield from paths(of)
    elif isinstance(value, list):
        for of in value:
            yield from paths(of)
    elif isinstance(value, str) and value.startswith("/"):
        yield value


def test_every_path_is_one_that_a_node_has() -> None:
    """A file of hardway that moves must not turn a control into one without a file."""
    part = cluster("stacked").part("cp-1")
    known = {f"{ROOT}/{file.path}" for file in part.files} | {directory.path for directory in part.directories}
    known |= {f"/etc/systemd/system/{unit.name}" for unit in part.units}
    # The kubelet writes its kubeconfig itself.
    assert f"--kubeconfig={(made := '/var/lib/kubelet/kubeconfig')}" in "".join(unit.text for unit in part.units)
    assert set(paths(config.CONFIG)) - known == {made}


def test_each_path_is_a_candidate_and_the_default() -> None:
    """kube-bench takes the default if no candidate exists: then the control says so about the same path."""
    for target in (MASTER, NODE):
        for name in config.CONFIG[target]["components"]:
            component = config.CONFIG[target][name]
            lists = {tuple(value) for key, value in component.items() if isinstance(value, list) and key != "bins"}
            defaults = {(value,) for key, value in component.items() if key.startswith("default")}
            assert lists == defaults and lists


def test_paths_without_a_setting_are_replaced() -> None:
    text = "audit: \"find /etc/kubernetes/pki/ -name '*.crt' | xargs stat\""
    assert config.adapted(MASTER, text) == "audit: \"find /opt/kubernetes/ssl/ -name '*.pem' | xargs stat\""
    assert config.adapted(NODE, text) == text


def test_a_benchmark_without_what_is_replaced_is_refused() -> None:
    with pytest.raises(ToolError, match=r"master\.yaml of this kube-bench has no '/etc/kubernetes/pki/'"):
        config.adapted(MASTER, "audit: true")


@pytest.mark.parametrize("missing", ["kube-bench", "cfg"])
def test_a_folder_that_is_no_release_is_refused(missing: str, tmp_path: Path) -> None:
    (tmp_path / "kube-bench").touch()
    (tmp_path / "cfg").mkdir()
    assert find(tmp_path).program == tmp_path / "kube-bench"
    (tmp_path / missing).rename(tmp_path / "other")
    with pytest.raises(ToolError, match=r"has no `kube-bench` with a folder `cfg`; give the unpacked release"):
        find(tmp_path)


def test_an_older_kube_bench_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"this version of kube-bench lacks the benchmark cis-1\.12"):
        benchmark.controls(tmp_path)


@pytest.fixture
def built() -> Path:
    """The benchmarks of the kube-bench of the catalogue. Skips the test if it was not built yet."""
    if shutil.which("go") is None:
        pytest.skip("no Go: the name of a program in the store has the version of Go")
    found = gobuild.find(catalogue.KUBE_BENCH, Store(shared_cache() / "store"))
    if found is None:
        pytest.skip("no kube-bench in the shared cache yet: `make cis` makes it")
    return found.parent / "cfg"


def test_the_recorded_controls_are_those_of_kube_bench(built: Path) -> None:
    """The other tests use the record."""
    found = "".join(f"{c.target}\t{c.id}\t{c.text}\n" for c in benchmark.controls(built).values())
    assert found == RECORDED.read_text()


def test_the_benchmark_has_what_is_replaced(built: Path) -> None:
    for target in TARGETS:
        text = (built / benchmark.NAME / f"{target}.yaml").read_text()
        assert "/etc/kubernetes/pki/ " not in config.adapted(target, text)
