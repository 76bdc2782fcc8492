"""The order of machines, stages and activations, and the commands that are deleted with a machine."""

import itertools

import pytest
from clusters import NAMES, cluster, lock_data
from recording import LOCAL, PROVIDER, REMOTE, Recording, Resource, page, recorded, run

from components.resource_names import GRANT

ALL = pytest.mark.parametrize("name", NAMES)

# The order in which a change reaches the nodes.
ROLL = {
    "stacked": ["cp-1", "cp-2", "cp-3", "worker-1", "worker-2"],
    "dedicated_etcd": ["etcd-1", "etcd-2", "etcd-3", "cp-1", "cp-2", "worker-1", "worker-2"],
    "one_master": ["node1", "node2", "node3"],
}


def commands(run: Recording, what: str) -> dict[str, Resource]:
    """The commands `stage` or `activate` by node."""
    return {r.name.removesuffix(f"-{what}"): r for r in run.of(REMOTE) if r.name.endswith(f"-{what}")}


def machine(run: Recording, node: str) -> Resource:
    """The machine of a node, or the gateway."""
    return run.named(LOCAL, f"{node}-machine")


@ALL
def test_a_node_is_dialled_twice_at_most(name: str) -> None:
    run = recorded(name)
    nodes = [node["name"] for node in page(name)["nodes"]]
    twice = [f"{node}-{what}" for node in nodes for what in ("stage", "activate")]
    assert sorted(r.name for r in run.of(REMOTE)) == sorted([*twice, GRANT])


@ALL
def test_the_program_gets_its_rights_before_it_uses_them(name: str) -> None:
    """On a control-plane node, after every API server answers."""
    run = recorded(name)
    granted = run.named(REMOTE, GRANT)
    port = page(name).get("api", {}).get("port", 6443)
    masters = [node["name"] for node in page(name)["nodes"] if "control-plane" in node["roles"]]
    activations = [commands(run, "activate")[node] for node in masters]
    assert granted.inputs["connection"] == activations[0].inputs["connection"]
    urls = " ".join(f"https://{run.outputs['nodes'][node]['address']}:{port}" for node in masters)
    script = f"sh /opt/kubernetes/current/grant.sh hardway:deployers hardway-deployers {urls}"
    assert (granted.inputs["create"], "stdin" in granted.inputs) == (script, False)
    assert all(run.comes_after(granted, activation) for activation in activations)
    (provider,) = run.of(PROVIDER)
    assert run.comes_after(provider, granted)


@ALL
def test_a_node_that_joins_finds_the_network_plugin(name: str) -> None:
    """Tokens let nodes join. The plugin waits for no token; names of services come when nodes have a network."""
    run = recorded(name)
    tokens = [secret for secret in run.of("kubernetes:core/v1:Secret") if secret.name.endswith("-bootstrap-token")]
    daemons, (coredns,) = run.of("kubernetes:apps/v1:DaemonSet"), run.of("kubernetes:apps/v1:Deployment")
    assert tokens and daemons
    assert not any(run.comes_after(daemon, token) for daemon in daemons for token in tokens)
    assert all(run.comes_after(coredns, before) for before in (*daemons, *tokens))


@ALL
@pytest.mark.parametrize("what", ["stage", "activate"])
def test_a_command_dials_its_own_machine_and_knows_its_key(name: str, what: str) -> None:
    run = recorded(name)
    dialled = []
    for node, command in commands(run, what).items():
        connection = command.inputs["connection"]
        # local.sh machine LAB NAME ADDRESS HOST-PORT:22
        published = machine(run, node).inputs["create"].split()[-1]
        assert (connection["host"], f"{int(connection['port'])}:22") == ("127.0.0.1", published)
        assert connection["hostKey"] == f"ssh-ed25519 {node}-ssh-host"
        assert 0 < connection["dialErrorLimit"] <= 100, "a machine that never answers would be waited for without end"
        dialled.append(published)
    assert len(set(dialled)) == len(dialled)


@ALL
def test_a_command_ends_with_its_machine(name: str) -> None:
    run = recorded(name)
    for what in ("stage", "activate"):
        for node, command in commands(run, what).items():
            assert command.deleted_with == machine(run, node).urn
            assert command.replace_with == (machine(run, node).urn,)
            assert run.comes_after(command, machine(run, node))


@ALL
def test_a_command_tells_what_it_does_and_changes_in_place(name: str) -> None:
    for command in recorded(name).of(REMOTE):
        inputs = command.inputs
        assert inputs["logging"] == "stdout"
        assert inputs["addPreviousOutputInEnv"] is False
        assert not {"triggers", "update", "delete", "environment"} & set(inputs), command.name


@ALL
def test_machines_are_made_and_staged_at_the_same_time(name: str) -> None:
    run = recorded(name)
    for node, stage in commands(run, "stage").items():
        before = [run.by_urn[urn] for urn in run.behind[stage.urn]]
        assert {r.name for r in before if r.type == LOCAL} <= {f"{node}-machine", "lab-network", "gateway-machine"}
        assert not [r for r in before if r.type == REMOTE]


@ALL
def test_nothing_is_fetched_before_the_mirror_is_there(name: str) -> None:
    run = recorded(name)
    for stage in commands(run, "stage").values():
        assert run.comes_after(stage, machine(run, "gateway"))


@ALL
def test_no_node_is_activated_before_every_node_is_staged(name: str) -> None:
    run = recorded(name)
    for activation in commands(run, "activate").values():
        for stage in commands(run, "stage").values():
            assert run.comes_after(activation, stage)


@ALL
def test_nodes_are_activated_one_after_the_other(name: str) -> None:
    run = recorded(name)
    activations = commands(run, "activate")
    assert set(activations) == set(ROLL[name])
    for earlier, later in itertools.pairwise(ROLL[name]):
        assert run.comes_after(activations[later], activations[earlier]), f"{later} does not wait for {earlier}"


@ALL
def test_no_kubelet_comes_before_an_api_server_and_no_api_server_before_its_etcd(name: str) -> None:
    run = recorded(name)
    activations = commands(run, "activate")
    roles = {node["name"]: set(node["roles"]) for node in page(name)["nodes"]}
    for node, own in roles.items():
        first = set()
        if own == {"control-plane"}:
            first = {other for other, others in roles.items() if "etcd" in others and "worker" not in others}
        if "control-plane" not in own and "worker" in own:
            first = {other for other, others in roles.items() if "control-plane" in others or others == {"etcd"}}
        for other in first:
            assert run.comes_after(activations[node], activations[other]), f"{node} does not wait for {other}"


@pytest.mark.parametrize("at_once", [2, "74%"])
def test_workers_are_changed_as_many_at_a_time_as_the_page_says(at_once: int | str) -> None:
    """A per cent is of the four workers, and not of the seven nodes, and is rounded down."""
    nodes = [*page("stacked")["nodes"], *({"name": f"worker-{number}", "roles": ["worker"]} for number in (3, 4))]
    change = {"nodes": nodes, "rollout.maxUnavailable": at_once}
    made = run(page("stacked", change), lock=lock_data(cluster("stacked").page))
    assert made.error is None
    activations = commands(made, "activate")
    names = [f"worker-{number}" for number in range(1, 5)]
    waits = [[made.comes_after(activations[later], activations[earlier]) for earlier in names] for later in names]
    assert [sum(row) for row in waits] == [0, 0, 1, 1]
    assert (waits[2][0], waits[3][1]) == (True, True)
    # The control plane changes one by one in any case.
    for earlier, later in itertools.pairwise(["cp-1", "cp-2", "cp-3"]):
        assert made.comes_after(activations[later], activations[earlier])


@ALL
def test_a_command_is_about_the_release_that_a_preview_shows(name: str) -> None:
    run = recorded(name)
    digests = {}
    for component in run.of("hardway:node:NodeRelease"):
        digests[component.name] = run.components[component.urn]["digest"]
    roles = {node["name"]: set(node["roles"]) for node in page(name)["nodes"]}
    assert len(set(digests.values())) == len(digests) == len(roles)
    for node, digest in digests.items():
        assert f"apply.sh stage {digest} " in commands(run, "stage")[node].inputs["create"]
        activation = commands(run, "activate")[node].inputs["create"]
        drained = "control-plane" not in roles[node] and "worker" in roles[node]
        limit = " 300" if drained else ""
        assert activation == f"sh /opt/kubernetes/releases/{digest}/apply.sh activate {digest}{limit}"


def test_a_preview_asks_for_the_same_as_an_up() -> None:
    """A preview knows no keys and certificates, but registers the same resources, dependencies and options."""
    preview, up = recorded("dedicated_etcd", preview=True), recorded("dedicated_etcd")
    assert sorted(preview.by_urn) == sorted(up.by_urn)
    for urn, resource in up.by_urn.items():
        other = preview.by_urn[urn]
        assert (other.deleted_with, other.replace_with) == (resource.deleted_with, resource.replace_with)
        assert set(other.raw) == set(resource.raw), resource.name
        assert set(other.dependencies) == set(resource.dependencies), resource.name


def test_another_random_value_is_another_release() -> None:
    """The certificates are the same in both runs. The public identities of tokens and keys name another release."""
    one, other = recorded("one_master"), recorded("one_master", again=1)
    for component in one.of("hardway:node:NodeRelease"):
        before, after = (run.components[component.urn]["manifest"] for run in (one, other))
        differing = {path for path in before if before[path] != after[path]}
        random = {"cfg/cluster-id", "cfg/encryption.json"}
        assert differing <= random | {"ssl/kubelet/bootstrap-token", "ssl/kubelet/bootstrap-token-end"}
        assert ("cfg/encryption.json" in differing) == ("cfg/encryption.json" in before), component.name
        assert ("ssl/kubelet/bootstrap-token" in differing) == ("ssl/kubelet/bootstrap-token" in before), component.name


def test_dependencies_grow_with_the_number_of_nodes_and_not_with_its_square() -> None:
    """The state has every dependency, and the SDK walks over the graph for each."""

    def dependencies(workers: int) -> int:
        nodes = [
            *({"name": f"cp-{number}", "roles": ["etcd", "control-plane"]} for number in (1, 2, 3)),
            *({"name": f"worker-{number}", "roles": ["worker"]} for number in range(workers)),
        ]
        found = run(page("stacked", {"nodes": nodes}), lock=lock_data(cluster("stacked").page))
        assert found.error is None, found.error
        return sum(len(resource.dependencies) for resource in found.resources)

    few, more, most = (dependencies(workers) for workers in (4, 8, 12))
    assert most - more == more - few
