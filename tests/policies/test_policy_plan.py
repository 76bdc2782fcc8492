"""Rules that compare a plan with the state before the plan. The real engine made both."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from policy_requests import DATA, UNKNOWN, Request, asked_stack, load, made, stack

RULES = ("control-plane-replacement", "etcd-quorum")
BOTH = ["etcd", "control-plane"]


@pytest.fixture(autouse=True)
def _preview(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_DRY_RUN", "true")
    monkeypatch.setenv("HARDWAY_STATE", str(DATA / "machines_state.json"))


def found(resources: list[Request], **settings: Any) -> dict[str, list[str]]:
    return {name: texts for name, texts in asked_stack(resources, **settings).items() if name in RULES}


def planned(nodes: Mapping[str, Any] | str) -> list[Request]:
    return stack("machines_changed", {"Stack::policies-dev": {"nodes": nodes}})


def test_a_change_in_place_takes_no_node_away() -> None:
    assert found(stack("machines_changed")) == {}


def test_two_machines_replaced() -> None:
    # One machine is replaced by a trigger, one by hand. The engine shows both as commands with unknown output.
    recorded = stack("machines_replaced")
    lost = "cp-1: its machine is replaced, cp-2: its machine is replaced"
    one_by_one = "Change one node on the page, run `up`, wait until the cluster is healthy, then change the next node."
    assert found(recorded) == {
        "control-plane-replacement": [
            f"the plan replaces, moves or removes 2 control-plane nodes ({lost}); allowed: at most 1. {one_by_one}"
        ],
        "etcd-quorum": [
            f"the plan leaves 1 of 3 etcd members unchanged, and a quorum needs 2: 2 lost ({lost}). {one_by_one}"
        ],
    }
    assert found(recorded, control_plane_replacement={"most": 2}).keys() == {"etcd-quorum"}


def test_one_machine_replaced_is_how_it_is_done() -> None:
    kept = {"triggers": ["1"], "stdout": "", "stderr": ""}
    assert found(stack("machines_replaced", {"Command::cp-1-machine": kept})) == {}


def test_machine_of_a_cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nodes = {f"n{i}": {"address": f"10.0.0.{i}", "roles": BOTH} for i in (1, 2, 3)}

    def machines(*replaced: str) -> list[Request]:
        known = {name: UNKNOWN if name in replaced else f"i-{name}" for name in nodes}
        instances = [
            made("aws:ec2/instance:Instance", f"{name}-machine", {"id": value}) for name, value in known.items()
        ]
        return [made("pulumi:pulumi:Stack", "policies-dev", {"nodes": nodes}), *instances]

    state = tmp_path / "state.json"
    resources = [{"urn": r["urn"], "type": r["type"], "outputs": r["properties"]} for r in machines()]
    state.write_text(json.dumps({"deployment": {"resources": resources}}))
    monkeypatch.setenv("HARDWAY_STATE", str(state))
    assert found(machines()) == {}
    assert found(machines("n1")) == {}
    assert found(machines("n1", "n2")).keys() == set(RULES)


def test_nodes_that_move_or_go() -> None:
    nodes = {f"cp-{i}": {"address": f"10.100.7.{i}", "roles": BOTH} for i in (1, 2, 3)}
    assert found(planned(nodes)) == {}
    moved = {**nodes, "cp-1": {"address": "10.100.7.9", "roles": BOTH}}
    assert found(planned(moved)) == {}
    (text,) = found(planned({**moved, "cp-2": {"address": "10.100.7.2", "roles": ["control-plane"]}}))["etcd-quorum"]
    assert "(cp-1: moves from 10.100.7.1 to 10.100.7.9, cp-2: loses the role etcd)" in text
    (text,) = found(planned({"cp-1": nodes["cp-1"]}))["control-plane-replacement"]
    assert text.startswith(
        "the plan replaces, moves or removes 2 control-plane nodes (cp-2: removed, cp-3: removed); allowed: at most 1. "
    )


def test_members_that_join() -> None:
    nodes = {f"cp-{i}": {"address": f"10.100.7.{i}", "roles": BOTH} for i in range(1, 6)}
    four, five = ({name: nodes[name] for name in list(nodes)[:count]} for count in (4, 5))
    assert found(planned(four)) == {}
    assert found(planned(five)) == {}
    # The quorum of six members is four, and only three stay.
    six = {**five, "cp-6": {"address": "10.100.7.6", "roles": BOTH}}
    assert found(planned(six))["etcd-quorum"][0].startswith(
        "the plan leaves 3 of 3 etcd members unchanged, and a quorum needs 4: 0 lost; 3 join (cp-4, cp-5, cp-6). "
    )
    swapped = {name: facts for name, facts in five.items() if name != "cp-1"}
    assert found(planned(swapped))["etcd-quorum"][0].startswith(
        "the plan leaves 2 of 3 etcd members unchanged, and a quorum needs 3: "
        "1 lost (cp-1: removed); 2 join (cp-4, cp-5). "
    )


def test_a_new_stack_has_nothing_to_lose(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    empty = tmp_path / "state.json"
    for deployment in ({"resources": []}, {"resources": None}, {}):
        empty.write_text(json.dumps({"version": 3, "deployment": deployment}))
        monkeypatch.setenv("HARDWAY_STATE", str(empty))
        assert found(stack("machines_replaced")) == {}


def test_nodes_that_are_not_known_at_preview_are_read_from_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARDWAY_STATE", str(DATA / "certificates_state.json"))
    assert found(stack("first_preview", {"Stack::policies-dev": {"nodes": UNKNOWN}})) == {}
    gone = [r for r in stack("first_preview") if r["type"] != "pulumi:pulumi:Stack" and "cp-1" not in r["urn"]]
    # The quorum of a single member is this member.
    assert found(gone).keys() == {"etcd-quorum"}


def test_a_state_that_cannot_be_read_stops_the_plan(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HARDWAY_STATE", str(tmp_path / "none.json"))
    for texts in found(stack("machines_changed")).values():
        assert texts[0].startswith(f"the present state cannot be read (HARDWAY_STATE={tmp_path}/none.json: ")
    monkeypatch.delenv("HARDWAY_STATE")
    for name in ("PULUMI_STACK", "PULUMI_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    assert found(stack("machines_changed")).keys() == set(RULES)


def test_only_a_preview_has_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("false", ""):
        monkeypatch.setenv("PULUMI_DRY_RUN", value)
        assert found(stack("machines_replaced")) == {}


def test_no_secret_of_the_state_is_needed() -> None:
    assert "ciphertext" not in json.dumps(load("machines_state"))
