"""The program with existing hosts: connections, the preflight, and the removal of hosts."""

import itertools
import json
import shlex

from archives import unpack
from clusters import cluster, lock_data
from recording import KEY, LOCAL, REMOTE, Recording, Resource, page, recorded, run

from components.machines.inspected import record, unchanged
from components.machines.preflight import Inspection
from components.resource_names import GRANT

NAME = "existing"
NODES = ["cp-1", "cp-2", "cp-3", "worker-1"]


def commands(run_: Recording, what: str) -> dict[str, Resource]:
    """The commands `stage` or `activate` by node."""
    return {r.name.removesuffix(f"-{what}"): r for r in run_.of(REMOTE) if r.name.endswith(f"-{what}")}


def preflight(run_: Recording) -> Resource:
    """The command that inspects all hosts."""
    return run_.named(LOCAL, "hosts-preflight")


def inspection_of(run_: Recording) -> Inspection:
    """What the preflight is told."""
    return Inspection.from_json(preflight(run_).inputs["stdin"])


def test_no_machine_is_made_and_a_node_is_dialled_twice_at_most() -> None:
    recording = recorded(NAME)
    twice = [f"{node}-{what}" for node in NODES for what in ("stage", "activate")]
    assert sorted(r.name for r in recording.of(REMOTE)) == sorted([*twice, GRANT])
    assert [r.name for r in recording.of(LOCAL)] == ["hosts-preflight", "membership"]


def test_all_hosts_are_looked_at_before_any_is_touched() -> None:
    recording = recorded(NAME)
    look = preflight(recording)
    assert look.inputs["create"] == "python3 components/machines/preflight.py"
    # Notes are shown, and the next inspection gets the record of this one.
    assert (look.inputs["logging"], look.inputs["addPreviousOutputInEnv"]) == ("stdout", True)
    for what in ("stage", "activate"):
        for command in commands(recording, what).values():
            assert recording.comes_after(command, look)
    told = inspection_of(recording)
    assert [target.name for target in told.targets] == NODES
    assert told.private_key == KEY
    assert told.targets[3].route.host == "worker-1.example.com"
    assert told.bastion is not None and told.bastion.port == 2222


def test_another_worker_changes_nothing_for_the_hosts_that_are_there() -> None:
    """Therefore a full or dead host does not stop the new worker. Another answer to swap changes every host."""
    told = inspection_of(recorded(NAME))
    nodes = page(NAME)["nodes"]
    new = {
        **nodes[3],
        "name": "worker-2",
        "address": "192.168.10.22",
        "ssh": {**nodes[3]["ssh"], "host": "192.168.10.22"},
    }
    lock = lock_data(cluster(NAME).page)
    more = inspection_of(run(page(NAME, {"nodes": [*nodes, new]}), lock=lock, preview=True))
    assert more.targets[:3] != told.targets[:3]
    assert unchanged(more.digests(), record(told.digests())) == set(NODES)
    other = inspection_of(run(page(NAME, {"machines.swap": "refuse"}), lock=lock, preview=True))
    assert unchanged(other.digests(), record(told.digests())) == set()


def test_hosts_are_reached_by_way_of_the_bastion_with_known_keys() -> None:
    values = {node["name"]: node for node in page(NAME)["nodes"]}
    for what in ("stage", "activate"):
        for node, command in commands(recorded(NAME), what).items():
            connection, ssh = command.inputs["connection"], values[node]["ssh"]
            assert connection["host"] == ssh.get("host", values[node]["address"])
            assert connection["port"] == ssh.get("port", 22)
            assert (connection["user"], connection["privateKey"]) == ("ops", KEY)
            assert connection["hostKey"] == ssh["hostKey"]
            assert 0 < connection["dialErrorLimit"] <= 10
            bastion = page(NAME)["machines"]["bastion"]
            proxy = connection["proxy"]
            assert {key: proxy[key] for key in bastion} == bastion
            assert proxy["privateKey"] == KEY


def test_whoever_is_not_root_becomes_root() -> None:
    recording = recorded(NAME)
    for stage in commands(recording, "stage").values():
        assert stage.inputs["create"].startswith("sudo -n sh -euc '")
        assert stage.inputs["create"].endswith(" $d install'")
    for activation in commands(recording, "activate").values():
        assert activation.inputs["create"].startswith("sudo -n sh /opt/kubernetes/releases/")
    root = run(page(NAME, {"machines.user": "root", "machines.packages": "refuse"}), lock=lock_data(cluster(NAME).page))
    for command in root.of(REMOTE):
        assert not {"sudo", "install"} & set(shlex.split(command.inputs["create"].replace("'", " "))), command.name


def test_a_host_that_leaves_is_cleaned_and_nothing_else_removes_anything() -> None:
    recording = recorded(NAME)
    for name, stage in commands(recording, "stage").items():
        script = "/opt/kubernetes/current/remove.sh"
        assert stage.inputs["delete"] == f"sudo -n sh -c 'test ! -e {script} || exec sh {script} --data --node {name}'"
        assert (stage.deleted_with, stage.replace_with) == ("", ())
    for activation in commands(recording, "activate").values():
        assert "delete" not in activation.inputs
        assert (activation.deleted_with, activation.replace_with) == ("", ())
    kept = run(page(NAME, {"machines.removeData": False}), lock=lock_data(cluster(NAME).page))
    assert not [name for name, stage in commands(kept, "stage").items() if "--data" in stage.inputs["delete"]]


def test_objects_go_with_the_control_plane() -> None:
    recording = recorded(NAME)
    (control_plane,) = recording.of("hardway:controlplane:ControlPlane")
    objects = recording.of("kubernetes:")
    assert len(objects) > 20
    assert {item.deleted_with for item in objects} == {control_plane.urn}


def test_nodes_are_activated_one_after_the_other() -> None:
    recording = recorded(NAME)
    activations = commands(recording, "activate")
    for earlier, later in itertools.pairwise(NODES):
        assert recording.comes_after(activations[later], activations[earlier])


def test_the_api_is_at_the_virtual_address() -> None:
    outputs = recorded(NAME).outputs
    assert outputs["endpoint"] == "https://192.168.10.100:8443"
    request = recorded(NAME).named("tls:index/certRequest:CertRequest", "cp-2-apiserver").inputs
    assert "192.168.10.100" in request["ipAddresses"]


def test_an_endpoint_of_the_users_own_wins_and_the_virtual_address_stays_a_name() -> None:
    change = {"machines.endpoint": {"host": "api.example.com", "port": 443}}
    other = run(page(NAME, change), lock=lock_data(cluster(NAME).page))
    assert other.error is None
    assert other.outputs["endpoint"] == "https://api.example.com:443"
    request = other.named("tls:index/certRequest:CertRequest", "cp-2-apiserver").inputs
    assert "192.168.10.100" in request["ipAddresses"] and "api.example.com" in request["dnsNames"]


def test_the_output_etcd_goes_by_ssh() -> None:
    words = shlex.split(recorded(NAME).outputs["etcd"])
    assert words[:-1] == ["ssh", "-p", "22", "-i", "./id", "-J", "jump@bastion.example.com:2222", "ops@192.168.10.11"]
    sudo, n, sh, c, script = shlex.split(words[-1])
    assert [sudo, n, sh, c] == ["sudo", "-n", "sh", "-c"]
    assert script.count("/opt/kubernetes/bin/etcdctl") == 3


def test_each_machine_tells_its_state_by_ssh() -> None:
    recording = recorded(NAME)
    commands = {name: shlex.split(command) for name, command in recording.outputs["status"].items()}
    assert set(commands) == set(recording.outputs["nodes"])
    assert commands["cp-2"][-2:] == ["ops@192.168.10.12", "sudo -n sh -c 'sh /opt/kubernetes/current/status.sh'"]


def test_nothing_private_is_readable() -> None:
    recording = recorded(NAME)
    for resource in recording.resources:
        assert "the-operators-key" not in json.dumps(
            {k: v for k, v in resource.raw.items() if k not in ("stdin", "connection")}
        )
    for resource in (*recording.of(REMOTE), *recording.of(LOCAL)):
        for key in ("stdin", "connection"):
            if key in resource.raw:
                assert set(resource.raw[key]) == {"4dabf18193072939515e22adb298388d", "value"}, resource.name


def test_without_a_key_the_agent_is_asked() -> None:
    values = page(NAME)
    del values["machines"]["privateKeyFile"]
    recording = run(values, lock=lock_data(cluster(NAME).page))
    assert recording.error is None
    assert Inspection.from_json(preflight(recording).inputs["stdin"]).private_key is None
    for command in recording.of(REMOTE):
        assert "privateKey" not in command.inputs["connection"]


def test_a_key_file_that_cannot_be_read_is_one_sentence_and_makes_nothing() -> None:
    ended = run(page(NAME, {"machines.privateKeyFile": "./no-such-file"}), lock=lock_data(cluster(NAME).page))
    assert ended.error is not None
    assert ended.error["type"] == "RunError"
    assert ended.error["text"].startswith(
        "hardway:machines.privateKeyFile: './no-such-file' cannot be read: No such file"
    )
    assert ended.resources == ()


def test_programs_and_images_come_from_the_mirrors_of_the_page() -> None:
    for stage in commands(recorded(NAME), "stage").values():
        files = unpack(stage.inputs["stdin"])
        rows = [line.split() for line in files["tables/artifacts"].content.splitlines()]
        assert all(row[2].startswith("http://192.168.10.5/files/") for row in rows)
        mirror = '[host."http://192.168.10.5:5000/v2/docker.io"]'
        hosts = files["cfg/registries/docker.io/hosts.toml"].content
        assert mirror in hosts and 'capabilities = ["pull"]\n' in hosts
