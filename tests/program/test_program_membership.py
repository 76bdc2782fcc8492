"""The record of the initial members of etcd, and the command that removes nodes."""

import json

import pytest
from clusters import NAMES, cluster, lock_data
from recording import LOCAL, REMOTE, Recording, Resource, leaves, page, recorded, run
from test_program_material import staged

from components.membership.removed_nodes import Member, RemovalRequest

ALL = pytest.mark.parametrize("name", NAMES)
STASH = "pulumi:index:Stash"


def nodes(name: str, role: str) -> list[str]:
    """Names of the nodes with a role, in the order of the page."""
    return [node["name"] for node in page(name)["nodes"] if role in node["roles"]]


def membership(recording: Recording) -> Resource:
    """The command."""
    return recording.named(LOCAL, "membership")


def order(recording: Recording) -> RemovalRequest:
    """The input of the command."""
    return RemovalRequest.from_json(membership(recording).inputs["stdin"])


@ALL
def test_founders_are_written_down_once_with_their_machines(name: str) -> None:
    recording = recorded(name)
    stash = recording.named(STASH, "etcd-founders")
    assert stash.inputs["input"] == {node: f"{node}-machine-id" for node in nodes(name, "etcd")}
    assert stash.ignore_changes == ("input",)
    assert not [leaf for leaf in leaves(dict(stash.raw)) if leaf.secret]
    # Otherwise the engine would replace the record together with a machine, and the new machine would count as initial.
    assert stash.dependencies == ()


@ALL
def test_members_of_a_new_cluster_found_it(name: str) -> None:
    for node in page(name)["nodes"]:
        founder = staged(recorded(name), node["name"]).get("cfg/etcd-founder")
        assert founder == ("yes\n" if "etcd" in node["roles"] else None), node["name"]


@pytest.mark.parametrize(
    ("noted", "found"),
    [
        ({"cp-1": "cp-1-machine-id"}, {"cp-1": "yes\n", "cp-2": "no\n", "cp-3": "no\n"}),
        ({"cp-1": "another", "cp-2": "cp-2-machine-id"}, {"cp-1": "no\n", "cp-2": "yes\n", "cp-3": "no\n"}),
    ],
)
def test_who_is_not_written_down_with_that_machine_joins(noted: dict[str, str], found: dict[str, str]) -> None:
    """The fake engine answers with the record of an earlier `up`."""
    values = page("stacked")
    later = run(
        values, lock=lock_data(cluster("stacked").page), extra={"FAKE_STASHES": json.dumps({"etcd-founders": noted})}
    )
    assert later.error is None, later.error
    assert {node: staged(later, node)["cfg/etcd-founder"] for node in found} == found


@ALL
def test_membership_comes_last_and_ends_with_its_machine(name: str) -> None:
    recording = recorded(name)
    command, runner = membership(recording), nodes(name, "control-plane")[0]
    for other in recording.of(REMOTE):
        if other.name.endswith("-activate"):
            assert recording.comes_after(command, other), other.name
    rights = recording.named("kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding", "hardway-maintenance")
    assert recording.comes_after(command, rights)
    machine = recording.named(LOCAL, f"{runner}-machine")
    assert command.deleted_with == machine.urn
    assert not [r for r in recording.resources if command.urn in r.dependencies], "something would wait for it"
    told = order(recording)
    route = told.routes[runner]
    assert (told.runner, told.become, route.host, route.user) == (runner, "", "127.0.0.1", "root")
    assert f"{route.port}:22" == machine.inputs["create"].split()[-1]
    host_key = recording.named("tls:index/privateKey:PrivateKey", f"{runner}-ssh-host")
    assert route.host_key == f"ssh-ed25519 {host_key.name}"


@ALL
def test_what_membership_is_told_is_secret(name: str) -> None:
    told = [leaf for leaf in leaves(dict(membership(recorded(name)).raw)) if leaf.path == "stdin"]
    assert [leaf.secret for leaf in told] == [True]


@ALL
def test_membership_names_who_stays(name: str) -> None:
    made, told = recorded(name), order(recorded(name))
    known = made.outputs["nodes"]
    assert told.members() == {node: known[node]["address"] for node in nodes(name, "etcd")}
    kubelets = [node["name"] for node in page(name)["nodes"] if set(node["roles"]) & {"control-plane", "worker"}]
    assert told.kubelets() == kubelets
    assert told.nodes == {
        node["name"]: Member(
            known[node["name"]]["address"],
            f"{node['name']}-machine-id",
            tuple(sorted(node["roles"])),
            f"{node['name']}-machine-id",
        )
        for node in page(name)["nodes"]
    }
    assert set(told.routes) == set(told.nodes)
    assert told.drain_seconds == cluster(name).page.rollout.drain_timeout.total_seconds()
