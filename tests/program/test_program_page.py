"""The whole program: names and types of resources, outputs, wrong pages, missing files."""

import base64
import hashlib
import json
import re
from functools import cache
from typing import Any

import pytest
import yaml
from clusters import NAMES, cluster, lock_data
from conftest import DATA, changed
from fake_engine import plain, unpem
from recording import LOCAL, Recording, page, recorded, run

from components.config.cluster import Versions

ALL = pytest.mark.parametrize("name", NAMES)
WRONG = yaml.safe_load((DATA / "wrong_pages.yaml").read_text())
# One of each kind: shape, value, rule over the whole page, several lines at once.
CHOSEN = ("unknown top-level key", "nodes are empty", "a string where a number belongs")


@ALL
def test_names_are_unique_and_types_are_ours(name: str) -> None:
    resources = recorded(name).resources
    names = [(resource.type, resource.name) for resource in resources]
    assert len(set(names)) == len(names)
    components = [resource for resource in resources if not resource.custom]
    assert components
    for component in components:
        match = re.fullmatch(r"hardway:([a-z]+):([A-Z][A-Za-z]+)", component.type)
        assert match, component.type
    for resource in resources:
        assert resource.parent, f"{resource.name} has no parent"
        package = resource.type.partition(":")[0]
        assert package in ("hardway", "tls", "command", "kubernetes", "pulumi"), resource.type


@pytest.mark.parametrize("name", ["stacked", "dedicated_etcd"])
def test_what_belongs_to_a_node_carries_its_name(name: str) -> None:
    """So the removal of a node from the page deletes only the resources of that node."""
    fewer, gone = page(name), "worker-2"
    others = [node["name"] for node in fewer["nodes"] if node["name"] != gone]
    fewer["nodes"] = [node for node in fewer["nodes"] if node["name"] != gone]
    smaller = run(fewer, lock=lock_data(cluster(name).page))
    assert smaller.error is None
    left = {(r.type, r.name) for r in recorded(name).resources} - {(r.type, r.name) for r in smaller.resources}
    assert {name for _, name in left} >= {f"{gone}-stage", f"{gone}-activate", f"{gone}-machine", f"node-{gone}"}
    for _, resource in left:
        assert gone in resource
        assert not [other for other in others if other in resource]


def test_protection_is_for_what_nobody_can_make_again() -> None:
    kept = {"encryption-key-1", "service-account-1", "kubernetes-ca-1", "etcd-ca-1", "front-proxy-ca-1"}
    protecting = run(page("stacked", {"cluster.protect": True}), lock=lock_data(cluster("stacked").page))
    assert protecting.error is None
    assert {resource.name for resource in protecting.resources if resource.protect} == kept
    assert not [resource.name for resource in recorded("stacked").resources if resource.protect]


@ALL
def test_outputs(name: str) -> None:
    outputs, made = plain(recorded(name).outputs), cluster(name, {"machines.subnet": "192.168.10.0/24"})
    wanted = ["kubeconfig", "kubeconfigSha256", "developerKubeconfigs", "endpoint", "nodes", "certificates", "etcd"]
    wanted += ["keys", "generations", "artifactSource", "etcdUpkeep", "status", "cis"]
    assert sorted(outputs) == sorted(wanted)
    assert outputs["status"].keys() == outputs["cis"].keys() == outputs["nodes"].keys()
    assert outputs["endpoint"] == "https://127.0.0.1:20000"
    assert {node: value["roles"] for node, value in outputs["nodes"].items()} == {
        node.name: list(node.roles) for node in made.topology.nodes
    }
    assert outputs["etcd"].startswith("podman exec ")
    assert outputs["kubeconfigSha256"] == hashlib.sha256(outputs["kubeconfig"].encode()).hexdigest()
    assert "etcdctl" in outputs["etcd"]
    assert set(outputs["etcdUpkeep"]) == {node.name for node in made.topology.etcd_nodes}
    # Requests come on standard input.
    for what in ("etcdUpkeep", "cis"):
        assert all(line.startswith("podman exec --interactive ") for line in outputs[what].values())
    for holder, text in {"admin": outputs["kubeconfig"], **_developers(outputs)}.items():
        config = json.loads(text)
        user = config["users"][0]["user"]
        certificate, key = (unpem(_decoded(user[f"client-{what}-data"])) for what in ("certificate", "key"))
        assert certificate["name"] == certificate["key"] == key["key"] == holder
        server = config["clusters"][0]["cluster"]
        assert unpem(_decoded(server["certificate-authority-data"]))["name"] == "kubernetes-ca-1"
        assert server["server"] == outputs["endpoint"]


def _developers(outputs: Any) -> dict[str, str]:
    return {f"developer-{name}": text for name, text in outputs["developerKubeconfigs"].items()}


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()


@ALL
def test_the_endpoint_is_the_gateways_port_on_this_host(name: str) -> None:
    run_ = recorded(name)
    gateway = run_.named(LOCAL, "gateway-machine").inputs
    assert gateway["create"].split()[-1] == "20000:6443"
    assert gateway["environment"]["MIRROR"] == "/m"
    for machine in run_.of(LOCAL):
        assert machine.name == "gateway-machine" or machine.inputs.get("environment", {}).get("MIRROR", "") == ""


# --- what ends before anything is made ---------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [w for w in WRONG["pages"] if w["name"] in CHOSEN], ids=lambda w: w["name"])
def test_a_wrong_page_makes_nothing(wrong: dict[str, Any]) -> None:
    values = {key: value for key, value in changed(WRONG["base"], wrong["change"]).items() if value is not None}
    ended = run(values, lock=lock_data(cluster("stacked").page))
    assert ended.error == {"type": "RunError", "text": wrong["message"]}
    assert ended.resources == ()


def test_the_chosen_wrong_pages_exist() -> None:
    assert set(CHOSEN) <= {wrong["name"] for wrong in WRONG["pages"]}


def test_all_mistakes_of_a_page_are_one_error() -> None:
    ended = run(page("stacked", {"api.port": 0, "network.proxyMode": "x"}), lock=lock_data(cluster("stacked").page))
    assert ended.error is not None
    lines = ended.error["text"].splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["hardway:network.proxyMode", "hardway:api.port"]
    assert ended.resources == ()


def test_without_the_lock_nothing_is_made() -> None:
    ended = run(page("stacked"))
    text = ".cache/artifacts.lock.json: not found; `make tools` writes the lock of the local mirror"
    assert ended.error == {"type": "RunError", "text": text}
    assert ended.resources == ()


def test_without_facts_of_this_host_nothing_is_made() -> None:
    ended = run(page("stacked"), lock=lock_data(cluster("stacked").page), facts={})
    text = ".cache/local.json: not found; `make tools` prepares this host for local machines"
    assert ended.error == {"type": "RunError", "text": text}
    assert ended.resources == ()


def test_another_engine_than_the_prepared_one_makes_nothing() -> None:
    ended = run(page("stacked", {"machines.engine": "docker"}), lock=lock_data(cluster("stacked").page))
    assert ended.error is not None
    assert ended.error["text"].startswith("hardway:machines.engine: 'docker' is not what `make tools` prepared")
    assert ended.resources == ()


NO_OTHER = "`make tools` builds one version of each, the default of the page; artifacts.source: upstream has others"
LACKING = {
    ("artifacts", "kubelet"): 'no kubelet 1.37.1 for amd64, it has: none; run `make from-source KUBERNETES="1.37.1"`',
    ("images", "pause"): f"no image pause 3.10, it has: none; {NO_OTHER}",
    ("images", "coredns"): f"no image coredns {Versions().coredns}, it has: none; {NO_OTHER}",
}


@cache
def without(section: str, lacking: str) -> Recording:
    """A run with a lock that lacks an entry."""
    lock = lock_data(cluster("stacked").page)
    del lock[section][lacking]
    return run(page("stacked"), lock=lock)


@pytest.mark.parametrize(("section", "lacking"), LACKING)
def test_a_lock_that_lacks_something_is_one_error(section: str, lacking: str) -> None:
    text = f".cache/artifacts.lock.json: {LACKING[section, lacking]}"
    assert without(section, lacking).error == {"type": "RunError", "text": text}


@pytest.mark.parametrize(("section", "lacking"), LACKING)
def test_a_lock_that_lacks_something_makes_nothing(section: str, lacking: str) -> None:
    assert without(section, lacking).resources == ()
