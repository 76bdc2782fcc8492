"""The project's answers to the benchmark: for controls that exist, complete, and with scripts that shells can read."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from authorities import make
from clusters import cluster

from components.node.model import ROOT
from components.node.render.control_plane import api_server
from components.node.render.documents import json_document
from components.node.render.outside import AUTHORIZATION
from tools.cis import answers
from tools.cis.answers import Answer
from tools.cis.ask import FUNCTIONS
from tools.cis.benchmark import ETCD, MASTER, NODE, OF_MEMBERS, POLICIES, Control, concerns
from tools.common.errors import ToolError

SHELLCHECK = Path(sys.executable).with_name("shellcheck")
# Ids and kinds of the controls of cis-1.12: kube-bench 0.15.6, in the order of the benchmark.
RECORDED = Path(__file__).parents[1] / "data" / "cis" / "controls.tsv"
CONTROLS = {
    control: Control(control, text, target)
    for target, control, text in (line.split("\t") for line in RECORDED.read_text().splitlines())
}
GIVEN = Path("own.yaml")


def read(text: str) -> dict[str, Answer]:
    """The answers in a text."""
    return answers.read({GIVEN: text}, CONTROLS)


PROJECT = answers.read({answers.FILE: answers.FILE.read_text()}, CONTROLS)


def test_the_project_answers_every_control_that_is_manual_by_nature() -> None:
    """kube-bench shows none of the policies fulfilled, and nothing of controls without a test."""
    assert PROJECT.keys() >= {control.id for control in CONTROLS.values() if control.target == POLICIES}
    assert PROJECT.keys() >= {"1.2.20", "3.1.1", "3.1.2", "3.1.3", "3.2.2"}


def test_an_answer_for_a_control_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ToolError, match=r"^own\.yaml: 1\.1\.99: the benchmark has no such control"):
        read('"1.1.99": {answer: We do it.}')


def test_an_id_that_yaml_takes_for_a_number_is_an_error() -> None:
    """`2.1` without quotes is a number; `2.10` would even be another one."""
    with pytest.raises(ToolError, match=r"own\.yaml: 2\.1: .* allowed: the id of a control, in quotes"):
        read("2.1: {answer: We do it.}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"2.1": {}', "there is no `answer`; allowed: a sentence"),
        ('"2.1": We do it.', "there is no `answer`; allowed: a sentence"),
        ('"2.1": {answer: " "}', "there is no `answer`; allowed: a sentence"),
        ('"2.1": {answer: Yes., host: "true"}', "'host' is no key; allowed: answer, api, applies, machine"),
        ('"2.1": {answer: Yes., machine: true}', "machine: True; allowed: a POSIX script"),
        ('"2.1": {answer: Yes., applies: true, machine: "true"}', "applies: True; allowed: false"),
        ('"2.1": {answer: Yes., applies: false}', "`applies` needs `machine`"),
        ('"2.1": {answer: Yes., api: "true"}', "`api` is only for controls of section 5"),
        ("- 2.1", r"\['?2.1'?\]; allowed: a mapping"),
        ('"2.1": [', "no YAML"),
    ],
)
def test_a_wrong_answer_is_an_error(text: str, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        read(text)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ToolError) as caught:
        read('"9.9.9": {answer: Yes.}\n"2.1": {}\n')
    assert len(str(caught.value).splitlines()) == 2


def test_an_operators_own_answer_has_priority() -> None:
    text = '"5.1.1": {answer: "Ours:\n  also argocd."}'
    found = answers.read({answers.FILE: answers.FILE.read_text(), GIVEN: text}, CONTROLS)
    assert found["5.1.1"] == Answer("Ours: also argocd.") and found["5.1.2"] == PROJECT["5.1.2"]


@pytest.mark.parametrize("kind", ["machine", "api"])
def test_shellcheck_has_nothing_to_say_about_measurements(kind: str, tmp_path: Path) -> None:
    before = FUNCTIONS if kind == "api" else ""
    files = []
    for control, answer in PROJECT.items():
        if script := getattr(answer, kind):
            files.append(tmp_path / f"{control}.sh")
            # SC2329: a script does not call each of the functions.
            files[-1].write_text(f"#!/bin/sh\n# shellcheck disable=SC2329,SC2317\nset -eu\n{before}\n{script}")
    assert len(files) > 10
    done = subprocess.run(
        [str(SHELLCHECK), "--shell=sh", *map(str, files)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
    dash = shutil.which("dash") or "sh"
    for file in files:
        subprocess.run([dash, "-n", str(file)], check=True)


def test_a_control_concerns_the_machines_that_have_what_it_is_about() -> None:
    """Files of etcd are on the nodes with members, whatever else they do. A policy concerns all nodes with pods."""
    files = CONTROLS["1.1.12"]
    assert files.id in OF_MEMBERS and files.target == MASTER
    roles = {"cp": ["control-plane"], "both": ["etcd", "control-plane"], "etcd": ["etcd"], "worker": ["worker"]}

    def concerned(control: str) -> list[str]:
        return [node for node, of in roles.items() if concerns(CONTROLS[control], of)]

    assert concerned("1.1.12") == ["cp", "both", "etcd"] and concerned("1.1.1") == ["cp", "both"]
    assert CONTROLS["2.1"].target == ETCD and concerned("2.1") == ["both", "etcd"]
    assert CONTROLS["4.2.1"].target == NODE and concerned("4.2.1") == concerned("5.6.2") == ["cp", "both", "worker"]


@pytest.mark.parametrize(
    ("types", "code"),
    [(("Node", "RBAC", "Webhook"), 0), (("Webhook", "Node"), 1), (("Node", "RBAC", "AlwaysAllow"), 1)],
)
@pytest.mark.parametrize("control", ["1.2.6", "1.2.7", "1.2.8"])
def test_the_authorizers_of_a_file_are_measured(
    tmp_path: Path, control: str, types: tuple[str, ...], code: int
) -> None:
    """kube-bench reads the flag, which API servers with a webhook for authorization do not have."""
    service = {"url": "https://hooks.example.com", "certificateAuthority": make("CN=Web CA").chain}
    made = cluster("stacked", {"access.authorizationWebhook": service})
    part = api_server(made.page, made.topology, made.topology.node("cp-1"))
    (content,) = (str(file.content) for file in part.files if file.path == AUTHORIZATION)
    listed = json.loads(content)
    assert [one["type"] for one in listed["authorizers"]] == ["Node", "RBAC", "Webhook"]
    listed["authorizers"] = [{**one, "type": kind} for one, kind in zip(listed["authorizers"], types, strict=False)]
    (tmp_path / "cfg").mkdir()
    (tmp_path / AUTHORIZATION).write_text(json_document(listed))
    (tmp_path / "unit").write_text(part.units[0].text.replace(ROOT, str(tmp_path)))
    script = str(PROJECT[control].machine).replace("/etc/systemd/system/kube-apiserver.service", str(tmp_path / "unit"))
    found = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, timeout=20, check=False)
    assert found.returncode == code, found.stdout + found.stderr
