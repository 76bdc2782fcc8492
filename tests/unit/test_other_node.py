"""A machine that is another node, or a node of another cluster, is left alone."""

from pathlib import Path

import pytest
from scratch_machine import ReleaseMachine

from components.machines.preflight import Report, findings_of

OURS, THEIRS = "0123456789abcdef", "fedcba9876543210"


@pytest.fixture
def machine(tmp_path: Path) -> ReleaseMachine:
    """A machine on which the release one is current."""
    return ReleaseMachine.with_two_releases(tmp_path)


def write(folder: Path, cluster: str, node: str) -> None:
    """Say in a release which node of which cluster it is for."""
    (folder / "cfg").mkdir(parents=True, exist_ok=True)
    (folder / "cfg/cluster-id").write_text(f"{cluster}\n")
    (folder / "cfg/node").write_text(f"{node} {'dev' if cluster == OURS else 'prod'}\n")


@pytest.mark.parametrize(
    ("cluster", "node", "said"),
    [
        (OURS, "w1", "this machine is the node w1: take w1 off the page and run `up`, then add worker-1"),
        (THEIRS, "worker-1", "this machine is the node worker-1 of another cluster, prod; remove the node there first"),
    ],
)
def test_a_release_of_another_node_is_not_staged(machine: ReleaseMachine, cluster: str, node: str, said: str) -> None:
    write(machine.root / "releases/one", cluster, node)
    write(machine.incoming(), OURS, "worker-1")
    done = machine.stage("two")
    assert done.returncode == 1
    assert f"{said}. Nothing was changed" in done.stderr
    assert (machine.current, machine.told("restart"), machine.told("start")) == ("one", [], [])


def test_a_release_of_the_same_node_is_staged(machine: ReleaseMachine) -> None:
    write(machine.root / "releases/one", OURS, "worker-1")
    write(machine.incoming(), OURS, "worker-1")
    assert machine.stage("two").returncode == 0


def test_a_release_of_an_earlier_version_does_not_say_whose_it_is(machine: ReleaseMachine) -> None:
    write(machine.incoming(), OURS, "worker-1")
    assert machine.stage("two").returncode == 0


@pytest.mark.parametrize(("node", "removed"), [("worker-1", False), ("w1", True)])
def test_only_the_node_itself_is_removed(machine: ReleaseMachine, node: str, removed: bool) -> None:
    """The host of worker-1 has become w1: the removal of worker-1 leaves it alone."""
    write(machine.root / "releases/one", OURS, "w1")
    done = machine.run("remove", "--data", "--node", node)
    assert done.returncode == 0, done.stderr
    assert machine.root.exists() is not removed
    if not removed:
        assert "this machine is the node w1, not worker-1: nothing is removed" in done.stdout
        assert not [call for call in machine.calls if call.startswith("systemctl")]


def report(name: str, cluster: str = "", node: str = "") -> Report:
    facts = {"hostname": name, "machine-id": f"id-{name}"}
    if cluster:
        facts |= {"cluster-id": cluster, "node": f"{node} {'dev' if cluster == OURS else 'prod'}"}
    return Report(name, facts, ())


def test_the_preflight_finds_hosts_of_others() -> None:
    reports = [report("cp-1", OURS, "cp-1"), report("w1", OURS, "worker-1"), report("w2", THEIRS, "w2"), report("w3")]
    assert findings_of(reports) == [
        "w1: the host is the node worker-1; take worker-1 off the page and run `up`, then add w1",
        "w2: the host is the node w2 of another cluster, prod; remove the node there first",
    ]


def test_the_cluster_of_most_hosts_is_ours() -> None:
    """A host of another cluster is named, also if it is the first host on the page."""
    reports = [report("cp-1", THEIRS, "cp-1"), report("cp-2", OURS, "cp-2"), report("w1", OURS, "w1")]
    assert findings_of(reports) == [
        "cp-1: the host is the node cp-1 of another cluster, prod; remove the node there first"
    ]
