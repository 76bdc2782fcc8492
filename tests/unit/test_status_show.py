"""`python -m tools status`, with stand-ins of pulumi and kubectl on PATH: what is printed, and the exit status."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools import cli
from tools.commands import group
from tools.common.errors import ToolError
from tools.common.paths import Clone

READY = {"type": "Ready", "status": "True"}
NODE = {
    "metadata": {"name": "cp-1"},
    "spec": {},
    "status": {"conditions": [READY], "nodeInfo": {"kubeletVersion": "v1.37.1"}},
}
FACTS = "clock\\t%s\\nrelease\\tone\\twhole\\nversion\\tkubelet\\t1.37.1\\nunit\\tkubelet.service\\t{}\\t0\\t20\\t\\n"
OUTPUTS = {"nodes": {"cp-1": {"roles": ["control-plane", "worker"]}}, "certificates": []}

Prepare = Callable[..., None]


def telling(state: str) -> str:
    """The command line of a machine whose kubelet is in this state."""
    return f"""sh -c 'printf "{FACTS.format(state)}" "$(date +%s)"'"""


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    """Prepares a clone with a stack `dev` that has these outputs, and whose API has these nodes."""
    tools = tmp_path / "path"
    tools.mkdir()
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setattr(group, "this_clone", lambda: Clone(tmp_path))
    monkeypatch.setattr("tools.operate.kubectl.environment", lambda *_: {"PATH": str(tools)})

    def prepare(outputs: dict[str, Any], nodes: list[Any]) -> None:
        (tmp_path / "outputs.json").write_text(json.dumps(outputs))
        (tmp_path / "nodes.json").write_text(json.dumps({"items": nodes}))
        (tmp_path / "pods.json").write_text('{"items": []}')
        executable(tools / "pulumi", f"cat {tmp_path}/outputs.json")
        executable(
            tools / "kubectl", f'case "$*" in *nodes*) cat {tmp_path}/nodes.json ;; *) cat {tmp_path}/pods.json ;; esac'
        )
        kubeconfig = Clone(tmp_path).kubeconfig("dev")
        kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        kubeconfig.touch()

    return prepare


def executable(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_a_healthy_stack_ends_with_zero(stack: Prepare, capsys: pytest.CaptureFixture[str]) -> None:
    stack(OUTPUTS | {"status": {"cp-1": telling("active")}}, [NODE])
    assert cli.main(["status", "--quick"]) == 0
    printed = capsys.readouterr().out
    assert "nodes         1 of 1 Ready; 0 pods not ready\n" in printed and printed.endswith("Nobody has to act.\n")


def test_a_failed_unit_ends_with_one(stack: Prepare, capsys: pytest.CaptureFixture[str]) -> None:
    stack(OUTPUTS | {"status": {"cp-1": telling("failed")}}, [NODE])
    assert cli.main(["status", "--quick"]) == 1
    assert "- machine cp-1: kubelet.service: systemd says failed" in capsys.readouterr().out


def test_a_machine_that_fails_says_why(stack: Prepare, capsys: pytest.CaptureFixture[str]) -> None:
    stack(OUTPUTS | {"status": {"cp-1": "sh -c 'echo no route to host >&2; exit 255'"}}, [NODE])
    assert cli.main(["status", "--quick"]) == 1
    assert "- machine cp-1 does not tell its state: no route to host" in capsys.readouterr().out


def test_a_machine_whose_output_is_lost_is_asked_again(stack: Prepare, tmp_path: Path) -> None:
    """The first answer is empty, as podman's sometimes is."""
    there = f"test -e {tmp_path}/asked || {{ touch {tmp_path}/asked; exit 0; }}; "
    stack(OUTPUTS | {"status": {"cp-1": telling("active").replace("sh -c '", f"sh -c '{there}")}}, [NODE])
    assert cli.main(["status", "--quick"]) == 0
    stack(OUTPUTS | {"status": {"cp-1": "true"}}, [NODE])
    assert cli.main(["status", "--quick"]) == 1


def test_json_has_all_facts(stack: Prepare, capsys: pytest.CaptureFixture[str]) -> None:
    """Names as in Kubernetes, times as text, nothing but JSON on standard output."""
    stack(OUTPUTS | {"status": {"cp-1": telling("active")}}, [NODE])
    assert cli.main(["status", "--quick", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["stack"], found["act"], found["nextUp"]) == ("dev", [], None)
    assert found["versions"] == {"kubelet": {"1.37.1": ["cp-1"]}}
    assert found["api"]["nodes"][0]["isReady"] is True
    (machine,) = found["machines"]
    assert machine["units"] == [
        {"name": "kubelet.service", "state": "active", "restarts": 0, "milliseconds": 20, "problem": ""}
    ]
    assert machine["clock"].endswith("Z")


def test_a_stack_of_an_earlier_version_needs_an_up(stack: Prepare) -> None:
    stack(OUTPUTS, [NODE])
    with pytest.raises(ToolError, match="stack dev does not say how to ask its machines: run `make up STACK=dev`"):
        cli.main(["status"])
