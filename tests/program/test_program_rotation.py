"""A rotation: which steps the program refuses, and which resources and files a step changes."""

import json
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from archives import unpack
from clusters import cluster, lock_data
from fake_engine import unpem
from recording import LOCAL, REMOTE, Recording, page, recorded, run

NODES = ("cp-1", "cp-2", "cp-3", "worker-1", "worker-2")
KEYS = ("kubernetes", "etcd", "frontProxy", "serviceAccount", "encryption", "ssh")


def phase(trusted: list[int], active: int) -> dict[str, Any]:
    """The same generations for all keys of the cluster."""
    return {key: {"trusted": trusted, "active": active} for key in KEYS}


def later(now: dict[str, Any], before: dict[str, Any] | None, *, preview: bool = False) -> Recording:
    """A run with the generations `now`, after a complete `up` with the generations `before`.

    None: that `up` had no output `generations`.
    """
    outputs = {"endpoint": "https://127.0.0.1:20000"} | ({"generations": before} if before else {})
    extra = {"FAKE_OUTPUTS": json.dumps(outputs)}
    changed = page("stacked", {"pki.generations": now})
    return run(changed, lock=lock_data(cluster("stacked").page), extra=extra, preview=preview)


@cache
def using() -> Recording:
    """The second step of a rotation of all keys: the second generation is in use, both generations are trusted."""
    return later(phase([1, 2], 2), phase([1, 2], 1))


@pytest.mark.parametrize("preview", [False, True], ids=["up", "preview"])
def test_a_step_out_of_order_is_refused(preview: bool) -> None:
    """One error names all keys. Before the error, the program registers only the record of fixed values."""
    ended = later(phase([1, 2], 2), phase([1], 1), preview=preview)
    assert ended.error is not None
    assert ended.error["type"] == "RunError"
    lines = ended.error["text"].splitlines()
    assert [line.partition(": ")[0] for line in lines] == [f"hardway:pki.generations.{key}.active" for key in KEYS]
    assert "first `trusted: [1, 2]` with `active: 1`, and one `up`" in lines[0]
    # The record of the choice of programs is read, and stays.
    assert [resource.name for resource in ended.resources] == ["artifact-source", "fixed-values"]


def test_a_stack_of_an_earlier_version_is_in_its_first_generation() -> None:
    ended = later(phase([1, 2], 2), None)
    assert ended.error is not None
    assert later(phase([1, 2], 1), None).error is None


def test_a_new_cluster_may_begin_anywhere() -> None:
    made = run(page("stacked", {"pki.generations": phase([3], 3)}), lock=lock_data(cluster("stacked").page))
    assert made.error is None
    assert made.named("tls:index/selfSignedCert:SelfSignedCert", "etcd-ca-3")


def test_a_cluster_in_its_first_generation_has_nothing_of_a_rotation() -> None:
    assert not [r.name for r in recorded("stacked").of(REMOTE) if r.name == "settle" or r.name.endswith("-credentials")]
    assert "rotation-begun" not in {resource.name for resource in recorded("stacked").resources}


def test_leaves_are_of_the_generation_in_use_and_bundles_of_all() -> None:
    files = unpack(using().named(REMOTE, "cp-1-stage").inputs["stdin"])
    for path, authority in {
        "kube-apiserver/server.pem": "kubernetes",
        "kube-scheduler/client.pem": "kubernetes",
        "etcd/peer.pem": "etcd",
        "kube-apiserver/front-proxy-client.pem": "front-proxy",
    }.items():
        assert unpem(files[f"ssl/{path}"].content)["issuer"] == f"{authority}-ca-2"
    for path in ("kubernetes-ca.pem", "etcd/ca.pem", "kube-apiserver/etcd-ca.pem", "kube-apiserver/front-proxy-ca.pem"):
        # In an order that does not depend on the generation in use: a change of the file restarts programs.
        first, second, _ = files[f"ssl/{path}"].content.split("-----END CERTIFICATE-----\n")
        assert [unpem(text + "x\n")["name"][-2:] for text in (first, second)] == ["-1", "-2"], path
    for path in ("kube-controller-manager/kubernetes-ca.pem", "kubelet/issuer.pem"):
        assert unpem(files[f"ssl/{path}"].content)["name"] == "kubernetes-ca-2"
    assert files["ssl/kube-apiserver/service-account.pub"].content.count("BEGIN PUBLIC KEY") == 2
    config = json.loads(files["cfg/encryption.json"].content)
    assert [key["name"] for key in config["resources"][0]["providers"][0]["secretbox"]["keys"]] == ["key2", "key1"]
    assert files["cfg/generations"].content.splitlines() == [
        *("kubernetes 2 1 2", "etcd 2 1 2", "front-proxy 2 1 2", "service-account 2 1 2", "encryption 2 1 2")
    ]


def test_a_server_leads_from_the_older_generation_to_its_certificate() -> None:
    """A client that has not heard of the second generation yet accepts the server; clients of etcd are all known."""
    files = unpack(using().named(REMOTE, "cp-1-stage").inputs["stdin"])
    end = "-----END CERTIFICATE-----\n"
    for server in ("kube-apiserver", "kubelet", "kube-scheduler"):
        leaf, crossed = (unpem(text + end) for text in files[f"ssl/{server}/server.pem"].content.split(end)[:-1])
        assert leaf["issuer"] == "kubernetes-ca-2"
        assert (crossed["key"], crossed["issuer"]) == ("kubernetes-ca-2", "kubernetes-ca-1")
        assert crossed["subject"]["commonName"] == "kubernetes-ca-2"
    for client in ("kube-scheduler/client.pem", "etcd/server.pem"):
        assert files[f"ssl/{client}"].content.count(end) == 1


def test_the_order_of_a_step() -> None:
    """First the control plane, then namespaces and Secrets, then kubelets of active nodes, and the cluster's pods."""
    made = using()
    settle = made.named(REMOTE, "settle")
    ready = {made.named(REMOTE, f"cp-{number}-activate").urn for number in (1, 2, 3)}
    assert ready <= set(settle.dependencies)
    assert settle.inputs["create"] == (
        "sh /opt/kubernetes/current/settle.sh kubernetes 2,1 front-proxy 2,1 encryption 2,1 change rotation-begun-id"
    )
    for node in NODES:
        renewal = made.named(REMOTE, f"{node}-credentials")
        assert {settle.urn, made.named(REMOTE, f"{node}-activate").urn, *ready} <= made.behind[renewal.urn]
        assert renewal.inputs["create"].endswith(
            "kubelet_renew.sh kubernetes 2 service-account 2 change rotation-begun-id"
        )
    # If all kubelets restarted at once, then whatever asks them all, as metrics-server does, would have no answer.
    for first, second in pairwise(NODES):
        urn = made.named(REMOTE, f"{first}-credentials").urn
        assert urn in made.named(REMOTE, f"{second}-credentials").dependencies
    daemons = made.named("kubernetes:apps/v1:DaemonSet", "flannel-daemons")
    assert settle.urn in daemons.dependencies
    for pods in (daemons, made.named("kubernetes:apps/v1:Deployment", "coredns-servers")):
        annotations = pods.inputs["spec"]["template"]["metadata"]["annotations"]
        assert annotations == {"hardway/trusted-generations": "1,2"}


def test_the_login_key_is_replaced_on_every_machine() -> None:
    made = using()
    for node in NODES:
        command = made.named(REMOTE, f"{node}-authorized-keys")
        assert command.inputs["connection"]["port"] == made.named(REMOTE, f"{node}-stage").inputs["connection"]["port"]
        assert "lab-ssh hardway-login-1" in command.inputs["create"]
        assert "lab-ssh-2 hardway-login-2" in command.inputs["create"]
        assert command.deleted_with == made.named(LOCAL, f"{node}-machine").urn
    logins = {command.inputs["connection"]["privateKey"] for command in made.of(REMOTE)}
    assert len(logins) == 1 and "lab-ssh-2" in logins.pop()
    assert not [r for r in recorded("stacked").of(REMOTE) if r.name.endswith("-authorized-keys")]


def test_a_change_is_recorded_before_any_machine_gets_its_release() -> None:
    """The record has a new id for each change, and the commands that complete a step run again for each id."""
    made = using()
    begun = made.named("pulumi:index:Stash", "rotation-begun")
    assert begun.inputs["input"]["etcd"] == {"trusted": [1, 2], "active": 2}
    assert begun.replace_on_changes == ("input",)
    for node in NODES:
        assert begun.urn in made.named(REMOTE, f"{node}-stage").dependencies


def test_leaves_have_keys_of_their_own_in_each_generation() -> None:
    """A copy of a leaf's key is worthless after a rotation; the keys of existing clusters keep their names."""
    key = "tls:index/privateKey:PrivateKey"
    first, second = ({r.name for r in run.of(key)} for run in (recorded("stacked"), using()))
    leaves = {"cp-1-apiserver", "cp-2-etcd-peer", "worker-1-identity", "deployer", "cp-3-front-proxy-client"}
    assert leaves <= first
    assert {f"{leaf}-2" for leaf in leaves} <= second
    assert not leaves & second


def test_a_restore_settles_again() -> None:
    """Secrets of a snapshot from before the rotation are encrypted with the first key."""
    change = {"pki.generations": phase([1, 2], 2), "restore": {"number": 4, "snapshot": "latest"}}
    change["backup"] = {"to": {"kind": "folder", "path": "/srv/backups"}}
    outputs = {"endpoint": "https://127.0.0.1:20000", "generations": phase([1, 2], 2)}
    made = run(
        page("stacked", change), lock=lock_data(cluster("stacked").page), extra={"FAKE_OUTPUTS": json.dumps(outputs)}
    )
    assert made.error is None, made.error
    settle = made.named(REMOTE, "settle").inputs["create"]
    assert settle == f"{using().named(REMOTE, 'settle').inputs['create']} # restore 4"


def test_the_credential_of_settle_comes_on_standard_input() -> None:
    settle = using().named(REMOTE, "settle")
    kubeconfig = json.loads(settle.inputs["stdin"])
    assert kubeconfig["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:16443"
    assert "PRIVATE KEY" not in settle.inputs["create"]


def test_a_renewed_credential_does_not_settle_again() -> None:
    """Otherwise every renewal of the program's certificate would write all Secrets, and `make renew` would refuse."""
    settle = using().named(REMOTE, "settle")
    assert settle.inputs["update"] == "cat >/dev/null"
    assert "create" in settle.replace_on_changes
    assert [r.name for r in using().of(REMOTE) if "update" in r.inputs] == ["settle"]


def test_only_a_generation_in_use_is_protected() -> None:
    """Pulumi would refuse to delete a protected generation when the page no longer has it."""
    before = page("stacked", {"pki.generations": phase([1, 2], 2), "cluster.protect": True})
    made = run(before, lock=lock_data(cluster("stacked").page))
    keys = [r for r in made.resources if r.name.endswith(("-ca-1", "-ca-2")) and "-by-" not in r.name and r.custom]
    keys += [r for r in made.resources if r.name.startswith(("service-account-", "encryption-key-"))]
    assert len(keys) == 2 * (3 * 2 + 1 + 1)
    assert {resource.name: resource.protect for resource in keys} == {
        resource.name: resource.name.endswith("-2") for resource in keys
    }


def test_keys_and_generations_are_outputs() -> None:
    outputs = using().outputs
    assert outputs["generations"]["etcd"] == {"trusted": [1, 2], "active": 2}
    assert {key["name"]: key["active"] for key in outputs["keys"]} == {
        "service-account-1": False,
        "service-account-2": True,
        "encryption-key-1": False,
        "encryption-key-2": True,
        "ssh-key-1": False,
        "ssh-key-2": True,
    }
