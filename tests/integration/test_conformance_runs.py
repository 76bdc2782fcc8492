"""Upstream's tests, run by ginkgo, against a real API server without kubelets: what the runner sees and what stays."""

import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from api_server import ApiServer, api_server, controllers, program

from tools import cli
from tools.commands import group
from tools.common.paths import Clone, shared_cache
from tools.common.store import Store
from tools.conformance import ginkgo, namespaces, specs
from tools.conformance.program import Programs
from tools.conformance.specs import Spec
from tools.from_source import catalogue, gobuild

PASSES = "[sig-node] ConfigMap should run through a ConfigMap lifecycle [Conformance]"
SERIAL = "[sig-api-machinery] Namespaces should patch a Namespace [Conformance] [Serial]"
WAITS = "[sig-node] Pods should get a host IP [Conformance] [NodeConformance]"
"""Waits five minutes for a kubelet, which this API server does not have."""
CONTROLLERS = ("namespace-controller", "serviceaccount-controller", "root-ca-certificate-publisher-controller")


@pytest.fixture(scope="module")
def programs() -> Programs:
    """The built programs. A build takes minutes, so the tests are skipped without."""
    program("kube-apiserver")
    store = Store(shared_cache() / "store")
    e2e, runner = (gobuild.find(each, store) for each in (catalogue.E2E_TEST, catalogue.GINKGO))
    if e2e is None or runner is None:
        pytest.skip("no e2e.test and ginkgo in the shared cache yet: `make conformance` of a stack makes them")
    return Programs(e2e, runner)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API with one node that says that it is ready."""
    with api_server(tmp_path_factory.mktemp("api")) as found, controllers(found, *CONTROLLERS):
        found.ask("POST", "/api/v1/nodes", {"metadata": {"name": "worker"}})
        ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        found.ask("PATCH", "/api/v1/nodes/worker/status", ready, "application/merge-patch+json")
        # A new node has a taint until a controller has seen that it is ready.
        found.ask("PATCH", "/api/v1/nodes/worker", {"spec": {"taints": None}}, "application/merge-patch+json")
        (found.folder / "admin.kubeconfig").write_text(found.kubeconfig("admin", "system:masters"))
        yield found


@pytest.fixture
def kubectl(server: ApiServer) -> list[str]:
    """The command line of the admin's kubectl."""
    return [str(program("kubectl")), f"--kubeconfig={server.folder / 'admin.kubeconfig'}"]


def options(server: ApiServer) -> Sequence[str]:
    return [f"--kubeconfig={server.folder / 'admin.kubeconfig'}", "--provider=skeleton", "--disable-log-dump"]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, in the place of /tmp."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_the_suite_is_that_of_the_certified_program(programs: Programs, tmp_path: Path, temporary: Path) -> None:
    """462 specs of 1.37.1, of which 29 must not run beside others. Specs make folders, also when they are listed."""
    known = ginkgo.known(programs, tmp_path)
    assert [*temporary.iterdir()] == []
    assert (len(known), sum(spec.is_serial for spec in known.values())) == (462, 29)
    assert not known[PASSES].is_serial and known[SERIAL].is_serial


def test_exactly_the_chosen_specs_run(
    programs: Programs,
    server: ApiServer,
    kubectl: list[str],
    tmp_path: Path,
    temporary: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """In both rounds; the reports have the results, and the namespaces and the temporary files of the specs go."""
    before = namespaces.names(kubectl)
    found = {}
    for each in ginkgo.rounds([Spec(PASSES, False), Spec(SERIAL, True)], 2):
        report = ginkgo.run(programs, each, tmp_path, options(server), os.environ)
        assert specs.suite_failures(report) == []
        assert (tmp_path / f"junit-{each.name}.xml").is_file()
        found |= specs.results(report)
    assert {name: result.state for name, result in found.items()} == {PASSES: "passed", SERIAL: "passed"}
    assert "1 of 1 specs: 1 passed, 0 failed" in capfd.readouterr().err
    assert namespaces.remove(kubectl, before) == set()
    assert namespaces.names(kubectl) == before
    assert [*temporary.iterdir()] == []


def test_an_interrupted_run_leaves_no_process_and_no_namespace(
    programs: Programs, server: ApiServer, kubectl: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The spec would wait for minutes. An interrupt ends it, and its namespace goes."""
    before = namespaces.names(kubectl)
    (each,) = ginkgo.rounds([Spec(WAITS, False)], 1)
    log = tmp_path / "parallel.log"

    def interrupt(_: object) -> None:
        if "STEP: creating pod" in log.read_text():
            raise KeyboardInterrupt

    # The runner calls this once in a second.
    monkeypatch.setattr(ginkgo.Progress, "beat", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ginkgo.run(programs, each, tmp_path, options(server), os.environ)
    (report,) = json.loads((tmp_path / "parallel.json").read_text())
    states = [
        entry["State"] for entry in report["SpecReports"] if entry["LeafNodeText"].startswith("should get a host")
    ]
    assert states == ["interrupted"]
    assert namespaces.remove(kubectl, before) == set()


def test_the_command_compares_with_answers(
    programs: Programs,
    server: ApiServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of two specs one passes. The other one is left out by an answer; an answer for the first one is stale."""
    clone = Clone(tmp_path)
    monkeypatch.setattr(group, "this_clone", lambda: clone)
    clone.bin.mkdir(parents=True)
    (clone.bin / "kubectl").symlink_to(program("kubectl"))
    clone.page("x").write_text("config: {hardway:machines: {provider: existing}}\n")
    clone.kubeconfig("x").parent.mkdir(parents=True)
    clone.kubeconfig("x").write_text((server.folder / "admin.kubeconfig").read_text())
    own = tmp_path / "own.yaml"

    def run(answers: str) -> tuple[int, str]:
        own.write_text(answers)
        focus = "|".join(f"^{re.escape(name)}$" for name in (PASSES, WAITS))
        code = cli.main(["conformance", "--stack=x", f"--focus={focus}", f"--answers={own}"])
        return code, capsys.readouterr().out

    never = f"{json.dumps(WAITS)}: {{answer: There is no kubelet., run: false}}\n"
    code, page = run(never)
    assert (code, page.splitlines()[-1]) == (0, "2 specs: 1 passed, 0 answered, 1 left out; 0 to act on")
    listed = (clone.state / "x" / "conformance" / "specs.txt").read_text()
    assert f"left out           -  {WAITS}\n" in listed and f"  {PASSES}\n" in listed
    code, page = run(f"{never}{json.dumps(PASSES)}: {{answer: It cannot.}}\n")
    assert code == 1
    assert f"- {PASSES} passes, so its answer in the table of answers has to go" in " ".join(page.split())
