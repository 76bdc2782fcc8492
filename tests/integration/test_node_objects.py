"""The Node objects with the real engine, the real provider and a real API server."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from api_server import MERGE, STRATEGIC, ApiServer, api_server

from components.addons import taints
from components.addons.taints import TaintsError, remove_taints
from tools.common.paths import this_clone
from tools.operate.stack import Stack

pytest_plugins = ["scratch_stack"]
PROGRAM = """
import json
from datetime import timedelta
import pulumi
import pulumi_kubernetes as k8s
from components.addons.nodes import Nodes
from components.config import Page
from components.object_options import owned
from components.topology import MachineNetwork, plan

page = Page.model_validate(json.loads(open("page.json").read()))
topology = plan(page, MachineNetwork("10.89.3.0/24", {"cp-1": 11}), ("127.0.0.1", 7443))
kubeconfig = pulumi.Output.secret(open("kubeconfig.json").read())
provider = k8s.Provider("cluster", kubeconfig=kubeconfig)
stash = pulumi.Stash("fixed-values", input={})
opts = pulumi.ResourceOptions(providers=[provider], transformations=[owned])
Nodes("nodes", topology, kubeconfig, {"cp-1": stash}, timedelta(minutes=5), opts)
pulumi.export("kubeconfig", "x")
pulumi.export("kubeconfigSha256", "y")
"""
NODE = "/api/v1/nodes/cp-1"
CONTROL_PLANE = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
OWN = {"key": "example.com/slow", "value": "yes", "effect": "PreferNoSchedule"}
THEIRS = {"key": "example.com/by-hand", "effect": "NoSchedule"}
REFUSED = (
    "the API refuses the program: somebody deleted or changed the ClusterRoleBinding hardway-deployers. "
    """If the program should have its rights again: make up STACK=dev ARGS="--replace '**::grant'\""""
)
GONE = ((OWN["key"], OWN["effect"]),)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    if not (this_clone().pulumi_home / "plugins").is_dir():
        pytest.skip("no plugins in this clone yet: run `make tools`")
    with api_server(tmp_path_factory.mktemp("api")) as server:
        yield server


class Cluster:
    """The stack, and what a kubelet and a node controller do with the object of node cp-1."""

    def __init__(self, stack: Stack, api: ApiServer) -> None:
        self.stack, self.api = stack, api
        plugins = stack.clone.pulumi_home / "plugins"
        plugins.parent.mkdir()
        plugins.symlink_to(this_clone().pulumi_home / "plugins")
        (stack.clone.root / "__main__.py").write_text(PROGRAM)
        (stack.clone.root / "kubeconfig.json").write_text(api.kubeconfig("deployer", "system:masters"))

    def up(self, **node: Any) -> int:
        """An `up` with node cp-1 as given."""
        page = {"cluster": {"name": "scratch"}, "nodes": [{"name": "cp-1", **node}]}
        (self.stack.clone.root / "page.json").write_text(json.dumps(page))
        return self.stack.up()

    def registers(self, *taints: dict[str, str]) -> None:
        """A kubelet makes the object before the program does, and is ready."""
        node = {"metadata": {"name": "cp-1"}, "spec": {"taints": taints}}
        self.api.ask("POST", "/api/v1/nodes?fieldManager=kubelet", node)
        ready = {"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "x", "message": "x"}]}}
        self.api.ask("PATCH", f"{NODE}/status?fieldManager=kubelet", ready, STRATEGIC)

    def controller_sets(self, *taints: dict[str, str]) -> None:
        """The node controller writes the whole list."""
        patch = {"spec": {"taints": taints}}
        self.api.ask("PATCH", f"{NODE}?fieldManager=kube-controller-manager", patch, MERGE)

    @property
    def taints(self) -> list[dict[str, str]]:
        """The taints in the API."""
        found: list[dict[str, str]] = self.api.ask("GET", NODE)["spec"].get("taints", [])
        return found


@pytest.fixture
def cluster(stack: Stack, api: ApiServer) -> Cluster:
    return Cluster(stack, api)


def test_the_last_taints_that_leave_the_page_leave_the_node(cluster: Cluster) -> None:
    """Also if the node controller owns the list, as after each time without a ready kubelet. Other taints stay."""
    cluster.registers(CONTROL_PLANE)
    assert cluster.up(roles=["etcd", "control-plane"], taints=[OWN], labels={"example.com/rack": "r1"}) == 0
    assert cluster.taints == [CONTROL_PLANE, OWN]
    cluster.controller_sets(CONTROL_PLANE, OWN, NOT_READY)
    cluster.controller_sets(CONTROL_PLANE, OWN, THEIRS)
    assert cluster.up(roles=["etcd", "control-plane", "worker"]) == 0
    assert cluster.taints == [THEIRS]
    assert "example.com/rack" not in cluster.api.ask("GET", NODE)["metadata"]["labels"]


def test_a_program_without_rights_is_told_how_it_gets_them(cluster: Cluster, capfd: pytest.CaptureFixture[str]) -> None:
    revoked = cluster.api.kubeconfig("hardway:deployer", "hardway:deployers")
    (cluster.stack.clone.root / "kubeconfig.json").write_text(revoked)
    assert cluster.up(roles=["etcd", "control-plane"]) != 0
    assert REFUSED in capfd.readouterr().err


@pytest.fixture
def tainted(api: ApiServer) -> Iterator[str]:
    """The path of a node with two taints."""
    api.ask("POST", "/api/v1/nodes", {"metadata": {"name": "w-1"}, "spec": {"taints": [OWN, THEIRS]}})
    path = "/api/v1/nodes/w-1"
    api.ask("PATCH", path, {"spec": {"taints": [OWN, THEIRS]}}, MERGE)
    yield path
    api.ask("DELETE", path)


def test_a_change_by_somebody_else_is_kept(api: ApiServer, tainted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node controller adds a taint between the question and the answer."""
    ask, asked = taints._ask, []

    def and_meanwhile(*of: Any) -> Any:
        answer = ask(*of)
        if not asked:
            asked.append(api.ask("PATCH", tainted, {"spec": {"taints": [OWN, THEIRS, NOT_READY]}}, MERGE))
        return answer

    monkeypatch.setattr(taints, "_ask", and_meanwhile)
    remove_taints(api.kubeconfig("deployer", "system:masters"), "w-1", GONE)
    assert asked and api.ask("GET", tainted)["spec"]["taints"] == [THEIRS, NOT_READY]


def test_the_server_has_the_name_of_the_kubeconfig(api: ApiServer, tainted: str) -> None:
    """As behind the load balancer of AWS, whose name is in no certificate."""
    other = api.url.replace("127.0.0.1", "localhost")
    with pytest.raises(TaintsError, match=r"no connection to the API is possible: .*Hostname mismatch"):
        remove_taints(api.kubeconfig("deployer", "system:masters", server=other), "w-1", GONE)
    remove_taints(api.kubeconfig("deployer", "system:masters", server=other, server_name="kubernetes"), "w-1", GONE)
    assert api.ask("GET", tainted)["spec"]["taints"] == [THEIRS]


def test_the_reason_is_said(api: ApiServer, tainted: str) -> None:
    nobody = "https://127.0.0.1:9"
    start = r"node w-1: taints that left the page cannot be removed \(example.com/slow:PreferNoSchedule\): "
    for kubeconfig, why in (
        (api.kubeconfig("somebody"), "the API answers with status 403; run `make up` again"),
        (api.kubeconfig("deployer", server=nobody), "no connection to the API is possible: .*Connection refused; run"),
    ):
        with pytest.raises(TaintsError, match=start + why):
            remove_taints(kubeconfig, "w-1", GONE)
    remove_taints(api.kubeconfig("deployer", "system:masters"), "w-2", GONE)  # there is no such node
