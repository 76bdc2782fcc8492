"""`make replace`: which resource it is, and what is refused before anything is touched."""

from typing import Any

import pytest

from tools.errors import ToolError
from tools.replace import check_data, given_up, is_new_and_ready, machine

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
    with pytest.raises(ToolError, match="put its new host key on the page"):
        machine(there, "cp-1")


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
        ("True", "old", False),  # of the machine that is gone: nobody has contradicted it yet
        ("False", "new", False),
        ("Unknown", "old", False),
    ],
)
def test_a_node_is_ready_when_its_new_machine_says_so(ready: str, machine_id: str, expected: bool) -> None:
    conditions = [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}]
    node = {"status": {"conditions": conditions, "nodeInfo": {"machineID": machine_id}}}
    assert is_new_and_ready(node, "old") == expected
    assert is_new_and_ready(node, "") == (ready == "True")  # the API was not there to tell
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
    assert given_up(pods) == [("shop", "of-a-deployment"), ("shop", "of-a-daemon-set")]
