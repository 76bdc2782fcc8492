"""The state after a killed run: pending operations and damaged files."""

from pathlib import Path
from typing import Any

import pytest

from tools.common.errors import ToolError
from tools.operate import unfinished

WHOLE = '{"version":3,"checkpoint":{"stack":"dev","latest":{}}}'


def resource(kind: str, name: str) -> dict[str, Any]:
    return {"urn": f"urn:pulumi:dev::hardway::{kind}::{name}", "type": kind, "custom": True, "inputs": {"a": 1}}


def operation(kind: str, name: str, what: str = "creating") -> dict[str, Any]:
    return {"resource": resource(kind, name), "type": what}


MACHINE = operation("command:local:Command", "cp-1-machine")
OBJECT = operation("kubernetes:core/v1:Node", "node-cp-1")
INSTANCE = operation("aws:ec2/instance:Instance", "cp-1-machine")


def test_creations_that_can_be_repeated_are_forgotten() -> None:
    deployment = {"resources": [], "pending_operations": [MACHINE, OBJECT, MACHINE]}
    assert unfinished.forget(deployment) == unfinished.Settled(("cp-1-machine", "node-cp-1"))
    assert deployment == {"resources": [], "pending_operations": []}


def test_what_a_cloud_may_have_made_is_left_to_a_person() -> None:
    """Updates and deletions are not adopted, because their resources are in the state."""
    changed = operation("aws:ec2/instance:Instance", "cp-2-machine", "updating")
    assert unfinished.forget({"pending_operations": [changed]}) == unfinished.Settled(("cp-2-machine",))
    deployment = {"pending_operations": [MACHINE, INSTANCE, changed]}
    settled = unfinished.forget(deployment)
    assert settled == unfinished.Settled((), ("aws:ec2/instance:Instance cp-1-machine",))
    assert deployment["pending_operations"] == [MACHINE, INSTANCE, changed]


def test_before_all_goes_commands_become_resources_that_can_be_deleted() -> None:
    stack = resource("pulumi:pulumi:Stack", "hardway-dev")
    deployment = {"resources": [stack], "pending_operations": [MACHINE, OBJECT]}
    assert unfinished.adopt(deployment) == unfinished.Settled(("cp-1-machine", "node-cp-1"))
    adopted = MACHINE["resource"] | {"id": "interrupted", "outputs": {"a": 1}}
    assert deployment == {"resources": [stack, adopted], "pending_operations": []}
    deployment = {"pending_operations": [MACHINE, INSTANCE]}
    assert unfinished.adopt(deployment).again == ("cp-1-machine",)
    assert deployment["resources"] == [adopted]


def test_what_is_there_already_is_not_adopted_again() -> None:
    deployment = {"resources": [MACHINE["resource"]], "pending_operations": [MACHINE]}
    unfinished.adopt(deployment)
    assert deployment == {"resources": [MACHINE["resource"]], "pending_operations": []}


@pytest.mark.parametrize("settle", [unfinished.forget, unfinished.adopt])
def test_a_state_without_anything_stays_so(settle: Any) -> None:
    assert settle({}) == unfinished.Settled(())


@pytest.fixture
def state(tmp_path: Path) -> Path:
    path = tmp_path / ".pulumi/stacks/hardway/dev.json"
    path.parent.mkdir(parents=True)
    return path


@pytest.mark.parametrize("damaged", ["", WHOLE[:-5], "{}", "[]"])
def test_a_damaged_state_is_replaced_by_its_backup(
    state: Path, damaged: str, capfd: pytest.CaptureFixture[str]
) -> None:
    state.write_text(damaged)
    state.with_name("dev.json.bak").write_text(WHOLE)
    unfinished.repair([state])
    assert state.read_text() == WHOLE
    assert f"{state} was damaged" in capfd.readouterr().err


@pytest.mark.parametrize("cut_off", ["", '{"user.cache_control":'])
def test_what_was_being_written_beside_the_state_goes(state: Path, cut_off: str) -> None:
    state.write_text(WHOLE)
    whole = '{"md5": null}'
    beside = {
        "dev.json.attrs": cut_off,
        "dev.json.bak.attrs": cut_off,
        "dev.json.18eba98067592bd7.tmp": WHOLE[:-5],
        "dev.json.bak": WHOLE,
        "other.json.attrs": whole,
        "other.json.1.tmp": "",
    }
    for name, text in beside.items():
        state.with_name(name).write_text(text)
    unfinished.repair([state])
    left = {path.name for path in state.parent.iterdir()}
    assert left == {"dev.json", "dev.json.bak", "other.json.attrs", "other.json.1.tmp"}
    state.with_name("dev.json.attrs").write_text(whole)
    unfinished.repair([state])
    assert state.with_name("dev.json.attrs").read_text() == whole


def test_without_a_good_backup_a_person_is_told_where_to_look(state: Path) -> None:
    state.write_text("")
    with pytest.raises(ToolError, match=r"dev\.json is damaged and so is its backup .*\.pulumi/backups/hardway/dev to"):
        unfinished.repair([state])
    assert state.read_text() == ""


def test_a_whole_state_is_left_alone(state: Path, capfd: pytest.CaptureFixture[str]) -> None:
    state.write_text(WHOLE)
    unfinished.repair([state])
    assert capfd.readouterr().err == ""
    assert not unfinished.has_operations([state])
    state.write_text(WHOLE.replace('"latest":{}', '"latest":{"pending_operations":[{}]}'))
    assert unfinished.has_operations([state])
