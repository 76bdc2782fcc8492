"""Decisions about which members and nodes are removed: pure functions."""

import pytest

from components.membership.decisions import (
    EtcdMember,
    NodeState,
    RefusedError,
    check_members,
    leaving_members,
    leaving_nodes,
    not_ready,
    sick_members,
    successor,
)

WANTED = {"cp-1": "10.0.0.1", "cp-2": "10.0.0.2", "cp-3": "10.0.0.3"}


def member(id_: str, name: str, address: str, *, learner: bool = False, healthy: bool = True) -> EtcdMember:
    """A member; healthy and voting by default."""
    return EtcdMember(id_, name, address, learner, healthy)


STAY = [member(str(number), name, address) for number, (name, address) in enumerate(WANTED.items(), 1)]
GONE, DEAD = member("8", "cp-4", "10.0.0.4"), member("9", "cp-5", "10.0.0.5", healthy=False)


def test_the_output_of_the_script_is_parsed() -> None:
    assert EtcdMember.read("8211f1 started cp-1 10.0.0.1 false healthy") == member("8211f1", "cp-1", "10.0.0.1")
    unstarted = member("8", "", "10.0.0.2", learner=True, healthy=False)
    assert EtcdMember.read("8 unstarted - 10.0.0.2 true sick") == unstarted
    assert NodeState.read("cp-1 Unknown 4c4c4544") == NodeState("cp-1", "Unknown", "4c4c4544")


def test_dead_members_are_removed_before_voting_members() -> None:
    assert leaving_members([*STAY, GONE, DEAD], WANTED) == [DEAD, GONE]
    assert leaving_members(STAY, WANTED) == []


@pytest.mark.parametrize(
    ("found", "is_removed"),
    [
        (member("4", "cp-2", "10.0.0.9"), True),  # its old address
        (member("4", "other", "10.0.0.2"), True),  # its old name
        (member("4", "", "10.0.0.2", learner=True), False),  # about to start
        (member("4", "", "10.0.0.9", learner=True), True),  # will never start
    ],
)
def test_a_member_stays_under_its_name_at_its_address(found: EtcdMember, is_removed: bool) -> None:
    assert leaving_members([*STAY, found], WANTED) == ([found] if is_removed else [])


@pytest.mark.parametrize(
    "sick",
    [
        member("2", "cp-2", "10.0.0.2", healthy=False),
        member("2", "cp-2", "10.0.0.2", learner=True),
        member("2", "", "10.0.0.2", learner=True),
        member("2", "cp-2", "10.0.0.9"),
    ],
)
def test_no_member_is_removed_while_a_member_that_stays_is_sick(sick: EtcdMember) -> None:
    members = [STAY[0], sick, STAY[2], GONE]
    assert sick_members(members, WANTED) == ["cp-2"]
    with pytest.raises(
        RefusedError, match=r"etcd member cp-2 is not healthy, .* to be removed: .*cp-4\. .* No member was"
    ):
        check_members(members, WANTED)


def test_a_sick_member_is_ignored_if_no_member_or_only_itself_is_removed() -> None:
    check_members([STAY[0], STAY[1], member("3", "cp-3", "10.0.0.3", healthy=False)], WANTED)
    check_members([*STAY, DEAD], WANTED)


def test_a_wanted_member_that_does_not_exist_keeps_others_from_being_removed() -> None:
    with pytest.raises(RefusedError, match="etcd member cp-3 is not healthy"):
        check_members([*STAY[:2], GONE], WANTED)


def test_the_first_member_that_stays_is_the_next_leader() -> None:
    assert successor([GONE, *STAY], WANTED) == "1"


def test_nodes_that_are_not_wanted_are_removed() -> None:
    nodes = [NodeState("cp-1", "True", "a"), NodeState("worker-1", "Unknown", "b"), NodeState("worker-2", "True", "c")]
    assert [node.name for node in leaving_nodes(nodes, ["cp-1", "worker-2", "worker-3"])] == ["worker-1"]


OLD, NEW = "machine-id-of-the-old-one", "machine-id-of-the-new-one"


@pytest.mark.parametrize(
    ("ready", "machine_id", "waits"),
    [
        ("True", OLD, True),  # the last status of a kubelet that is gone
        ("Unknown", OLD, True),  # Kubernetes has noticed that it is gone
        ("False", NEW, True),
        ("Unknown", NEW, True),
        ("True", NEW, False),
    ],
)
@pytest.mark.parametrize("forgive_silent", [True, False])
def test_the_status_of_a_kubelet_that_is_gone_does_not_count(
    ready: str, machine_id: str, waits: bool, forgive_silent: bool
) -> None:
    node = NodeState("worker-1", ready, machine_id)
    found = not_ready([node], ["worker-1"], {"worker-1": NEW}, forgive_silent=forgive_silent)
    assert found == (["worker-1"] if waits else [])


@pytest.mark.parametrize(
    ("ready", "waits", "waits_longer"), [("True", False, False), ("False", True, True), ("Unknown", True, False)]
)
def test_a_node_with_its_own_machine_may_be_dead(ready: str, waits: bool, waits_longer: bool) -> None:
    nodes = [NodeState("worker-1", ready, OLD), NodeState("leaves", "False", OLD)]
    assert bool(not_ready(nodes, ["worker-1"], {}, forgive_silent=False)) is waits
    assert bool(not_ready(nodes, ["worker-1"], {}, forgive_silent=True)) is waits_longer


def test_a_node_that_the_api_does_not_have_is_waited_for_only_on_a_new_machine() -> None:
    assert not_ready([], ["worker-1", "worker-2"], {"worker-2": NEW}, forgive_silent=True) == ["worker-2"]
