"""`python -m tools certificates`, with stand-ins of pulumi and kubectl on PATH: what is printed, drawn and refused."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tools import cli
from tools.commands import group
from tools.common.errors import ToolError
from tools.common.paths import Clone

NOW = "2026-11-21T12:00:00Z"
LEAF = {"name": "cp-1-apiserver", "use": "server", "issuer": "kubernetes-ca-1", "subject": "CN=x", "sans": []} | {
    "notAfter": "2026-12-01T12:00:00Z",
    "renewedFrom": "2026-11-20T12:00:00Z",
}
KEY = {"name": "encryption-2", "use": "encryption", "generation": 2, "active": True}
NODES = {"cp-1": {"roles": ["control-plane"]}, "worker-1": {"roles": ["worker"]}, "etcd-1": {"roles": ["etcd"]}}
KUBECTL = """case "$*" in
*" get --raw /api/v1/nodes/cp-1/proxy/metrics") echo 'kubelet_certificate_manager_client_ttl_seconds 3.1536e+07' ;;
*) echo 'error trying to reach service: connection refused' >&2; exit 1 ;;
esac
"""

Prepare = Callable[..., Path]


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    """Prepares a clone with a stack `dev` that has these outputs, and with a kubectl; returns the clone's folder."""
    monkeypatch.setenv("HARDWAY_NOW", NOW)
    # The shell and its programs, but no pulumi and no kubectl of this host.
    tools = tmp_path / "path"
    tools.mkdir()
    for name in ("sh", "cat"):
        (tools / name).symlink_to(next(path for f in os.get_exec_path() if (path := Path(f, name)).exists()))
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setattr(group, "this_clone", lambda: Clone(tmp_path))

    def prepare(outputs: dict[str, Any], kubectl: bool = True) -> Path:
        (tmp_path / "outputs.json").write_text(json.dumps(outputs))
        executable(
            tools / "pulumi", f'[ "$*" = "stack output --json --non-interactive" ] && cat {tmp_path}/outputs.json'
        )
        if kubectl:
            executable(tools / "kubectl", KUBECTL)
        kubeconfig = Clone(tmp_path).kubeconfig("dev")
        kubeconfig.parent.mkdir(parents=True)
        kubeconfig.touch()
        return tmp_path

    return prepare


def executable(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def printed(text: str) -> dict[str, str]:
    """The rows of the table by name, without their name and with single spaces."""
    heading, *rows = (" ".join(line.split()) for line in text.splitlines())
    assert heading == "NAME USE GEN ISSUER ENDS DAYS RENEWAL STATE"
    return {name: rest for name, _, rest in (row.partition(" ") for row in rows)}


def test_everything_is_printed_and_drawn(stack: Prepare, capsys: pytest.CaptureFixture[str]) -> None:
    folder = stack({"certificates": [LEAF], "keys": [KEY], "nodes": NODES})
    svg = folder / "new" / "calendar.svg"
    assert cli.main(["certificates", "--stack", "dev", "--svg", str(svg)]) == 0
    said = capsys.readouterr()
    rows = printed(said.out)
    assert list(rows) == ["cp-1-apiserver", "cp-1-kubelet-client", "worker-1-kubelet-client", "encryption-2"]
    assert rows["cp-1-apiserver"] == "server 1 kubernetes-ca-1 2026-12-01 10.0 2026-11-20 due"
    assert rows["cp-1-kubelet-client"].startswith("client - kubernetes-ca 20")
    assert rows["cp-1-kubelet-client"].endswith("by kubelet valid")
    assert rows["worker-1-kubelet-client"] == "client - kubernetes-ca - - by kubelet does not answer"
    assert rows["encryption-2"] == "encryption 2 - - - - active"
    assert "certificates and keys of stack dev at 2026-11-21 12:00 UTC\n" in said.err
    why = "no answer from the kubelet of worker-1: error trying to reach service: connection refused\n"
    assert why in said.err and f"the calendar is {svg}\n" in said.err and "no output `keys`" not in said.err
    drawn = ElementTree.parse(svg).getroot()  # noqa: S314 - we wrote the file
    titles = [str(title.text) for title in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert [title.partition(",")[0] for title in titles[1:]] == [
        *("name encryption-2", "name cp-1-apiserver", "name cp-1-kubelet-client", "name worker-1-kubelet-client")
    ]


def test_a_stack_without_the_output_keys_has_a_calendar(stack: Prepare, capsys: pytest.CaptureFixture[str]) -> None:
    folder = stack({"certificates": [LEAF]})
    before = set(folder.iterdir())
    assert cli.main(["certificates"]) == 0
    said = capsys.readouterr()
    assert list(printed(said.out)) == ["cp-1-apiserver"]
    assert "the stack has no output `keys`: keys without a certificate are not in the list\n" in said.err
    assert set(folder.iterdir()) == before, "without --svg nothing is drawn"


def test_without_kubectl_or_kubeconfig_kubelets_are_not_asked(
    stack: Prepare, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = stack({"certificates": [LEAF], "nodes": NODES}, kubectl=False)
    assert cli.main(["certificates"]) == 0
    said = capsys.readouterr()
    assert printed(said.out)["cp-1-kubelet-client"] == "client - kubernetes-ca - - by kubelet not asked"
    assert "the kubelets are not asked: there is no kubectl, neither built here nor on PATH\n" in said.err
    executable(folder / "path" / "kubectl", KUBECTL)
    Clone(folder).kubeconfig("dev").unlink()
    assert cli.main(["certificates"]) == 0
    assert "there is no kubeconfig: run `make kubeconfig STACK=dev`\n" in capsys.readouterr().err


@pytest.mark.parametrize("outputs", [{}, {"certificates": []}])
def test_a_stack_without_certificates_is_refused(stack: Prepare, outputs: dict[str, Any]) -> None:
    stack(outputs)
    with pytest.raises(ToolError, match="stack dev has no certificates yet: run `make up STACK=dev`"):
        cli.main(["certificates"])


def test_what_pulumi_says_of_an_unknown_stack_is_told(stack: Prepare) -> None:
    folder = stack({})
    executable(folder / "path" / "pulumi", "echo \"error: no stack named 'dev' found\" >&2; exit 255")
    with pytest.raises(ToolError, match="outputs of stack dev cannot be read: error: no stack named 'dev' found"):
        cli.main(["certificates"])


def test_a_wrong_time_is_refused(stack: Prepare, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stack({"certificates": [LEAF]})
    monkeypatch.setenv("HARDWAY_NOW", "tomorrow")
    (tmp_path / "preview.json").write_text('{"steps": []}')
    for command in (["certificates"], ["report", str(tmp_path / "preview.json")]):
        with pytest.raises(ToolError, match="HARDWAY_NOW: 'tomorrow' is not a time; allowed: RFC 3339"):
            cli.main(command)


def test_a_file_that_is_no_text_is_not_replaced(stack: Prepare) -> None:
    picture = stack({"certificates": [LEAF]}) / "picture.png"
    picture.write_bytes(b"\x89PNG\xff")
    with pytest.raises(ToolError, match=r"picture\.png: .*; allowed: a new file, or an SVG that may be replaced"):
        cli.main(["certificates", "--svg", str(picture)])
    assert picture.read_bytes() == b"\x89PNG\xff"


def test_the_report_of_a_recorded_preview_uses_the_given_time(
    stack: Prepare, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    urn = "urn:pulumi:dev::hardway::pulumi:pulumi:Stack::hardway-dev"
    step = {"op": "same", "urn": urn, "oldState": {"outputs": {"certificates": [LEAF]}}}
    (tmp_path / "preview.json").write_text(json.dumps({"steps": [step]}))
    for now, state in ((NOW, "due"), ("2026-12-02T00:00:00Z", "expired"), ("2026-11-19T00:00:00Z", "valid")):
        monkeypatch.setenv("HARDWAY_NOW", now)
        assert cli.main(["report", str(tmp_path / "preview.json")]) == 0
        assert f"| `cp-1-apiserver` | server | `kubernetes-ca-1` | 2026-11-20 | 2026-12-01 | {state} |" in (
            capsys.readouterr().out
        )
