"""`python -m tools cis`, with stand-ins of pulumi, kubectl and kube-bench: the page and the exit status."""

import json
import os
import shlex
from pathlib import Path

import pytest
from scratch_machine import ScratchMachine

from components.node import scripts
from tools import cli
from tools.commands import group
from tools.common.errors import ToolError
from tools.common.paths import Clone

FILES = {
    "master": [("1.1.1", "Files (Automated)"), ("1.1.7", "Files of etcd (Automated)")],
    "controlplane": [("3.1.1", "Users (Manual)")],
    "etcd": [("2.1", "TLS (Automated)")],
    "node": [("4.1.1", "File of the kubelet (Automated)")],
    "policies": [("5.1.1", "Admins (Manual)")],
}
OWN = """\
"3.1.1": {answer: Ours., machine: "test -e {flag}"}
"5.1.1": {answer: Ours., api: kubectl get everything}
"""
STATES = {"1.1.1": "PASS", "1.1.7": "PASS", "3.1.1": "WARN", "2.1": "PASS", "4.1.1": "PASS"}


class Fixture:
    """A clone with the stack `dev` of one machine, and a folder with a kube-bench that finds `states`."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.bench, self.flag = folder, folder / "bench", folder / "flag"
        self.machine = ScratchMachine(folder / "cp-1")
        tools = folder / "path"
        tools.mkdir()
        monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
        monkeypatch.setattr(group, "this_clone", lambda: Clone(folder))
        # The benchmark of this test has few controls: the project's answers are for others.
        (folder / "none.yaml").touch()
        monkeypatch.setattr("tools.cis.answers.FILE", folder / "none.yaml")
        environment = {"PATH": f"{tools}:{os.environ['PATH']}"}
        monkeypatch.setattr("tools.operate.kubectl.environment", lambda *_: environment)
        monkeypatch.setattr("tools.cis.run.environment", lambda *_: environment)
        settings = {name: value for name, value in self.machine.environment().items() if name.startswith("HARDWAY")}
        line = shlex.join(["env", *(f"{k}={v}" for k, v in settings.items()), "sh", str(scripts.path("cis"))])
        outputs = {"nodes": {"cp-1": {"roles": ["control-plane", "etcd"]}}, "cis": {"cp-1": line}}
        (folder / "outputs.json").write_text(json.dumps(outputs))
        executable(tools / "pulumi", f"cat {folder}/outputs.json")
        executable(tools / "kubectl", f'[ "$*" = "get everything" ] && test -e {folder}/api')
        kubeconfig = Clone(folder).kubeconfig("dev")
        kubeconfig.parent.mkdir(parents=True)
        kubeconfig.touch()
        (folder / "api").touch()
        self.flag.touch()
        (folder / "own.yaml").write_text(OWN.replace("{flag}", str(self.flag)))
        (self.bench / "cfg/cis-1.12").mkdir(parents=True)
        for target, controls in FILES.items():
            document = {"groups": [{"checks": [{"id": control, "text": text} for control, text in controls]}]}
            more = "# /etc/kubernetes/pki/ -name '*.crt'" if target == "master" else ""
            (self.bench / f"cfg/cis-1.12/{target}.yaml").write_text(f"{more}\n{json.dumps(document)}")
        self.finds(STATES)

    def finds(self, states: dict[str, str]) -> None:
        """Let kube-bench find these states."""
        results = [
            {"test_number": control, "status": state, "actual_value": "permissions=644"}
            for control, state in states.items()
        ]
        (self.folder / "found.json").write_text(json.dumps({"Controls": [{"tests": [{"results": results}]}]}) + "\n")
        executable(
            self.bench / "kube-bench",
            f'while [ "$1" != --outputfile ]; do shift; done; cp {self.folder}/found.json "$2"',
        )

    def run(self, *options: str) -> int:
        """Run the command."""
        own = f"--answers={self.folder / 'own.yaml'}"
        return cli.main(["cis", "--kube-bench", str(self.bench), own, *options])


def executable(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fixture:
    return Fixture(tmp_path, monkeypatch)


def test_what_passes_or_is_answered_ends_with_zero(stack: Fixture, capsys: pytest.CaptureFixture[str]) -> None:
    assert stack.run() == 0
    page = capsys.readouterr().out
    assert page.endswith("6 controls: 4 PASS, 0 FAIL, 2 WARN (2 answered *), 0 N/A; 0 open\n")
    assert "- 3.1.1 Ours. Measured: cp-1.\n- 5.1.1 Ours. Measured: the API.\n" in page


def test_a_fail_without_an_answer_ends_with_one(stack: Fixture, capsys: pytest.CaptureFixture[str]) -> None:
    stack.finds(STATES | {"4.1.1": "FAIL"})
    assert stack.run("--json") == 1
    controls = {control["id"]: control for control in json.loads(capsys.readouterr().out)["controls"]}
    assert controls["4.1.1"]["problems"] == ["cp-1: FAIL without an answer: permissions=644"]
    assert [control for control in controls if controls[control]["problems"]] == ["4.1.1"]


@pytest.mark.parametrize(("what", "control"), [("flag", "3.1.1 cp-1"), ("api", "5.1.1 the API")])
def test_an_answer_that_does_not_hold_ends_with_one(
    what: str, control: str, stack: Fixture, capsys: pytest.CaptureFixture[str]
) -> None:
    (stack.folder / what).unlink()
    assert stack.run() == 1
    assert f"- {control}: the measurement shows that the answer does not hold" in capsys.readouterr().out


def test_a_machine_that_is_not_judged_ends_with_one(stack: Fixture, capsys: pytest.CaptureFixture[str]) -> None:
    executable(stack.bench / "kube-bench", "echo no configuration; exit 2")
    assert stack.run() == 1
    assert "- machine cp-1 was not judged: kube-bench fails: no configuration" in capsys.readouterr().out


def test_an_answer_for_a_control_that_does_not_exist_is_an_error(stack: Fixture) -> None:
    (stack.folder / "own.yaml").write_text('"7.1.1": {answer: Yes.}\n')
    with pytest.raises(ToolError, match=r"own\.yaml: 7\.1\.1: the benchmark has no such control"):
        stack.run()


def test_a_stack_of_an_earlier_version_needs_an_up(stack: Fixture) -> None:
    (stack.folder / "outputs.json").write_text(json.dumps({"nodes": {"cp-1": {"roles": ["etcd"]}}}))
    with pytest.raises(ToolError, match="stack dev does not say how to ask its machines: run `make up STACK=dev`"):
        stack.run()
