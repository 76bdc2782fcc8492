"""`make replace`: the resource of the machine, and errors before anything changes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tools.common.errors import ToolError
from tools.common.paths import Clone
from tools.operate.replace import check_data, is_new_and_ready, machine, replace, replaceable_pods
from tools.operate.stack import Stack

PREFIX = "urn:pulumi:dev::hardway::"


def state(members: tuple[str, ...] = ("cp-1", "cp-2", "cp-3"), *more: tuple[str, str]) -> dict[str, Any]:
    """A state with local machines cp-1 and worker-1, a gateway, and further resources (type, name)."""
    nodes = {name: {"roles": ["etcd", "control-plane"]} for name in members} | {"worker-1": {"roles": ["worker"]}}
    made = [("command:local:Command", f"{name}-machine") for name in ("gateway", "cp-1", "worker-1")]
    return {
        "resources": [
            {
                "urn": f"{PREFIX}pulumi:pulumi:Stack::hardway-dev",
                "type": "pulumi:pulumi:Stack",
                "outputs": {"nodes": nodes},
            },
            {"urn": f"{PREFIX}command:remote:Command::cp-1-stage", "type": "command:remote:Command"},
            *({"urn": f"{PREFIX}{type_}::{name}", "type": type_} for type_, name in (*made, *more)),
        ]
    }


def test_machine_is_found_by_the_name_of_its_node() -> None:
    assert machine(state(), "cp-1") == f"{PREFIX}command:local:Command::cp-1-machine"
    aws = ("aws:ec2/instance:Instance", "worker-9-machine")
    assert machine(state((), aws), "worker-9").endswith("::worker-9-machine")


@pytest.mark.parametrize("node", ["cp-7", "gateway", "cp-1-machine"])
def test_unknown_machine_is_refused_with_those_there_are(node: str) -> None:
    with pytest.raises(ToolError, match=f"no machine '{node}'; machines that can be replaced: cp-1, worker-1"):
        machine(state(), node)


def test_hosts_that_nobody_made_are_their_owners_to_install() -> None:
    there = {"resources": [r for r in state()["resources"] if r["type"] != "command:local:Command"]}
    for known in (there, {}):  # an empty stack has a state without resources
        with pytest.raises(ToolError, match="put its new host key on the page"):
            machine(known, "cp-1")


def test_only_copy_of_the_data_is_not_given_away() -> None:
    with pytest.raises(ToolError, match="cp-1 is the only member of etcd"):
        check_data(state(("cp-1",)), "cp-1")
    check_data(state(("cp-1",)), "worker-1")
    check_data(state(), "cp-1")
    check_data(state(("cp-1",), ("aws:ebs/volume:Volume", "cp-1-data")), "cp-1")


@pytest.mark.parametrize(
    ("ready", "machine_id", "expected"),
    [
        ("True", "new", True),
        ("True", "old", False),  # the last report of the old machine, which still counts
        ("False", "new", False),
        ("Unknown", "old", False),
    ],
)
def test_a_node_is_ready_when_its_new_machine_says_so(ready: str, machine_id: str, expected: bool) -> None:
    conditions = [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}]
    node = {"status": {"conditions": conditions, "nodeInfo": {"machineID": machine_id}}}
    assert is_new_and_ready(node, "old") == expected
    assert is_new_and_ready(node, "") == (ready == "True")  # the API did not answer before
    assert not is_new_and_ready({"status": {}}, "old")


def test_pods_of_a_dead_machine_are_given_up_where_a_second_one_does_no_harm() -> None:
    def pod(name: str, *owners: tuple[str, bool]) -> dict[str, Any]:
        references = [{"kind": kind, "controller": controller} for kind, controller in owners]
        return {"metadata": {"namespace": "shop", "name": name, "ownerReferences": references}}

    pods = [
        pod("of-a-deployment", ("ReplicaSet", True)),
        pod("of-a-daemon-set", ("DaemonSet", True)),
        pod("of-a-stateful-set", ("StatefulSet", True)),
        pod("static", ("Node", True)),
        pod("watched", ("ReplicaSet", False)),
        {"metadata": {"namespace": "shop", "name": "of-nobody"}},
    ]
    assert replaceable_pods(pods) == [("shop", "of-a-deployment"), ("shop", "of-a-daemon-set")]


KUBECTL = """#!/bin/sh
echo "$*" >>"$0.log"
case "$*" in
*"get node"*) echo '{"spec": {}, "status": {}}' ;;
*drain*) echo "pod shop/web stays" >&2; exit 1 ;;
esac
"""


class Running(Stack):
    """A stack with the state of `state`, which must not change."""

    def state(self) -> dict[str, Any]:
        return state()

    def up(self, arguments: Sequence[str] = (), *, asks_policies: bool = True) -> int:
        raise AssertionError(f"replaced although the pods stay: {arguments}")


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    (tmp_path / "path").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  hardway:rollout: {drainTimeout: 90s}\n")
    return Running(Clone(tmp_path), "dev")


def put_kubectl(folder: Path) -> Path:
    """Write a simulated kubectl whose drain fails because pods stay. Return the file in which it records its calls."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kubectl").write_text(KUBECTL)
    (folder / "kubectl").chmod(0o755)
    return folder / "kubectl.log"


def test_without_kubectl_nothing_begins(stack: Stack) -> None:
    with pytest.raises(ToolError, match=r"no kubectl, neither built here nor on PATH: .* nothing was changed"):
        replace(stack, "cp-1")


def test_kubectl_of_the_path_is_taken_where_none_was_built(stack: Stack, tmp_path: Path) -> None:
    used = put_kubectl(tmp_path / "path")
    with pytest.raises(ToolError, match="was not replaced, because its pods did not leave: pod shop/web stays"):
        replace(stack, "cp-1")
    ours = put_kubectl(stack.clone.bin)
    used.unlink()
    with pytest.raises(ToolError, match="pod shop/web stays"):
        replace(stack, "cp-1")
    assert ours.exists() and not used.exists()


def test_pods_have_the_time_of_the_page_to_leave(stack: Stack, tmp_path: Path) -> None:
    calls = put_kubectl(tmp_path / "path")
    with pytest.raises(ToolError, match="did not leave"):
        replace(stack, "cp-1")
    stack.clone.page("dev").write_text("config: {}\n")
    with pytest.raises(ToolError, match="did not leave"):
        replace(stack, "cp-1")
    drains = [line for line in calls.read_text().splitlines() if " drain " in line]
    assert [line.rpartition("--timeout=")[2] for line in drains] == ["90s", "300s"]


def test_a_wrong_drain_timeout_is_said_before_anything_is_asked(stack: Stack, tmp_path: Path) -> None:
    calls = put_kubectl(tmp_path / "path")
    stack.clone.page("dev").write_text("config:\n  hardway:rollout: {drainTimeout: 90}\n")
    with pytest.raises(ToolError, match=r"Pulumi\.dev\.yaml: hardway:rollout: is not a string"):
        replace(stack, "cp-1")
    assert not calls.exists()
