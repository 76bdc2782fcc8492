"""Network policies are enforced: an isolated namespace of the page, policies of people, restarts, off and on.

Connections are made by agnhost in the pods, so that no program of a node takes part.
"""

import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from components.config.namespaces import LIMITED_BY
from components.network_policies.names import CHAIN, QUEUE, TABLE
from tests.e2e.support import pods
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.everyday import ISOLATED
from tests.e2e.support.kept_connection import KeptConnection
from tests.e2e.support.kubectl import Manifest
from tests.e2e.support.pod_network import network_of
from tests.e2e.support.progress import Say, stopwatch
from tests.wait import eventually

ENGINE = "kube-network-policies"
NODE_PORT = 8889
FLANNEL = "nft list table ip flannel-ipv4"
SOON = 20
"""Seconds within which every node knows a policy, a pod or a service."""
SERVER, FRIEND, NEAR, FAR = "server", "friend", "near", "far"


@dataclass(frozen=True)
class Walled:
    """A server and a friend in the isolated namespace, and strangers: near the server, and on another node."""

    cluster: Cluster
    elsewhere: str

    def namespace_of(self, pod: str) -> str:
        """The namespace of a pod."""
        return ISOLATED if pod in (SERVER, FRIEND) else self.elsewhere

    def address(self, pod: str) -> str:
        """The address of a pod."""
        found = self.cluster.kubectl.get("pod", pod, f"--namespace={self.namespace_of(pod)}")
        return str(found["status"]["podIP"])

    def connect(self, source: str, host: str, port: int = pods.PORT) -> str:
        """What a new connection from a pod ends with: `open`, `TIMEOUT`, `REFUSED` or `DNS`."""
        command = ("--", "/agnhost", "connect", f"{host}:{port}", "--timeout=2s")
        answer = self.cluster.kubectl("exec", source, f"--namespace={self.namespace_of(source)}", *command)
        if answer.code == 0:
            return "open"
        found = [word for word in ("TIMEOUT", "REFUSED", "DNS") if word in answer.text]
        assert found, answer.text
        return found[0]

    def holds(self) -> None:
        """The isolation is as on the page: asserts every direction."""
        server, far = self.address(SERVER), self.address(FAR)
        ways = {
            "friend to server": (FRIEND, server),
            "near to server": (NEAR, server),
            "far to server": (FAR, server),
            "server to far": (SERVER, far),
            "near to far": (NEAR, far),
        }
        with ThreadPoolExecutor() as pool:
            found = dict(zip(ways, pool.map(lambda way: self.connect(*way), ways.values()), strict=True))
        assert found == {
            "friend to server": "open",
            "near to server": "TIMEOUT",
            "far to server": "TIMEOUT",
            "server to far": "TIMEOUT",
            "near to far": "open",
        }


@pytest.fixture(scope="module")
def walled(cluster: Cluster, namespace: str) -> Iterator[Walled]:
    first, second = cluster.having("worker")
    probe = {"httpGet": {"path": "/healthz", "port": pods.PORT}, "periodSeconds": 1, "failureThreshold": 1}
    for where, name, node in (
        (ISOLATED, SERVER, first),
        (ISOLATED, FRIEND, second),
        (namespace, NEAR, first),
        (namespace, FAR, second),
    ):
        main = pods.container(cluster.image, "netexec", f"--http-port={pods.PORT}", readinessProbe=probe)
        if name == SERVER:
            main["livenessProbe"] = probe
        cluster.kubectl.create(pods.pod(where, name, main, nodeName=node.name)).ok()
    cluster.kubectl.create(pods.service(ISOLATED, SERVER, pods.PORT, node_port=NODE_PORT)).ok()
    found = Walled(cluster, namespace)
    for name in (SERVER, FRIEND, NEAR, FAR):
        ready(found, name)
    yield found
    if not cluster.is_down:
        for name in (SERVER, FRIEND, NEAR, FAR):
            cluster.kubectl("delete", "pod", name, f"--namespace={found.namespace_of(name)}").ok()
        cluster.kubectl("delete", "service", SERVER, f"--namespace={ISOLATED}").ok()


def ready(walled: Walled, name: str) -> None:
    """Wait until a pod is ready. The kubelet asks from the pod's own node."""
    wait = ("wait", "--for=condition=Ready", f"pod/{name}", f"--namespace={walled.namespace_of(name)}")
    walled.cluster.kubectl(*wait, "--timeout=60s", timeout=70).ok()


def allow() -> Manifest:
    """The policy of a developer that lets everybody connect to the server."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "server", "namespace": ISOLATED},
        "spec": {
            "podSelector": {"matchLabels": {"app": SERVER}},
            "policyTypes": ["Ingress"],
            "ingress": [{"ports": [{"port": pods.PORT}]}],
        },
    }


def engine_on(cluster: Cluster, node: str) -> dict[str, Any]:
    """The pod that enforces policies on a node."""
    found = cluster.kubectl.items("pods", f"--namespace={ENGINE}", f"--field-selector=spec.nodeName={node}")
    alive = [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]
    assert len(alive) == 1, f"{len(alive)} pods on {node}"
    return alive[0]


def test_readiness_means_rules_and_a_reader(cluster: Cluster) -> None:
    """Each node has the rules and a program that reads their queue; the program has one capability."""
    (daemons,) = cluster.kubectl.items("daemonsets", f"--namespace={ENGINE}")
    assert daemons["status"]["numberReady"] == len(cluster.machines)
    for machine in cluster.machines.values():
        rules = machine.run(f"nft list chain inet {TABLE} {CHAIN}").ok()
        assert f"queue num {QUEUE}" in rules or "NFQUEUE" in rules, rules
        assert machine.run(f"grep -E '^ *{QUEUE} ' /proc/net/netfilter/nfnetlink_queue").ok()
        capabilities = machine.run("sed -n 's/^CapEff:\t//p' /proc/$(pidof netpol)/status").ok()
        assert int(capabilities, 16) == 1 << 12, "CAP_NET_ADMIN, and nothing else"


def test_an_isolated_namespace_is_isolated(walled: Walled) -> None:
    """Also among pods of one node, whose packets cross its bridge only."""
    eventually(walled.holds, SOON, "the isolation holds")


def test_names_resolve_in_an_isolated_namespace(walled: Walled) -> None:
    """By the service address of CoreDNS; and the name of a service leads to a pod of the namespace."""
    assert walled.connect(FRIEND, SERVER) == "open"
    assert walled.connect(FRIEND, "no-such-service") == "DNS"


def test_probes_of_the_kubelet_are_no_business_of_policies(walled: Walled) -> None:
    """Each second, for readiness and for liveness, from the node of the pod."""
    time.sleep(3)
    found = walled.cluster.kubectl.get("pod", SERVER, f"--namespace={ISOLATED}")
    (status,) = found["status"]["containerStatuses"]
    assert status["ready"] and status["restartCount"] == 0


def test_people_allow_more_and_take_it_back(walled: Walled) -> None:
    """A connection that was made under a policy outlives it; new ones are refused."""
    cluster, server = walled.cluster, walled.address(SERVER)
    # From another machine, as a user does.
    asker, other = cluster.having("control-plane")[0], cluster.having("worker")[1]
    through_node_port = f"curl -fsS --max-time 2 http://{other.address}:{NODE_PORT}/hostname"
    assert "timed out" in asker.run(through_node_port).text
    cluster.kubectl.create(allow()).ok()

    def allowed() -> None:
        assert {walled.connect(source, server) for source in (NEAR, FAR, FRIEND)} == {"open"}
        assert asker.run(through_node_port).ok() == SERVER

    eventually(allowed, SOON, "everybody connects to the server, also by its node port")
    network = network_of(other, walled.elsewhere, FAR)
    established = KeptConnection(other, network, server, pods.PORT)
    try:
        assert established.ask() == "HTTP/1.1 200 OK"
        cluster.kubectl("delete", "networkpolicy", SERVER, f"--namespace={ISOLATED}").ok()
        eventually(walled.holds, SOON, "the isolation holds again")
        assert established.ask() == "HTTP/1.1 200 OK"
    finally:
        established.close()


def test_nothing_opens_while_the_engine_restarts(walled: Walled) -> None:
    """Its process is killed, then its pod is deleted. New connections wait or fail meanwhile, allowed ones as well."""
    cluster, server = walled.cluster, walled.address(SERVER)
    node = cluster.having("worker")[0]
    before = engine_on(cluster, node.name)
    with ThreadPoolExecutor() as pool:
        trying = [pool.submit(tries, walled, source, server, 8) for source in (NEAR, FAR)]
        node.run("kill -KILL $(pidof netpol)").ok()
        time.sleep(3)
        cluster.kubectl("delete", "pod", before["metadata"]["name"], f"--namespace={ENGINE}", "--wait=false").ok()
        found = {answer for one in trying for answer in one.result()}
    assert found == {"TIMEOUT"}

    def again() -> None:
        conditions = engine_on(cluster, node.name)["status"]["conditions"]
        assert any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    eventually(again, 60, "the engine is ready")
    walled.holds()


def test_rules_that_a_firewall_takes_along_come_back(walled: Walled, say: Say) -> None:
    """Those of network policies, of kube-proxy and of flannel, after all rules of a node have been flushed."""
    node = walled.cluster.having("worker")[0]
    of_flannel, elapsed = node.run(FLANNEL).ok(), stopwatch()
    assert "masquerade" in of_flannel
    node.run("nft flush ruleset").ok()
    eventually(
        lambda: node.run(f"nft list table inet {TABLE}").ok(), SOON, "the node refuses what policies do not allow"
    )
    assert {walled.connect(source, walled.address(SERVER)) for source in (NEAR, FAR)} == {"TIMEOUT"}
    eventually(walled.holds, 60, "the isolation holds")
    say(f"  policies were enforced as before after {elapsed():.1f} s")

    def services() -> None:
        # The name server and the API are behind service addresses.
        assert walled.connect(NEAR, "kubernetes.default", 443) == "open"

    eventually(services, 60, "pods of the node reach services")
    say(f"  services answered after {elapsed():.1f} s")
    assert node.run(FLANNEL).ok() == of_flannel


def tries(walled: Walled, source: str, host: str, seconds: float) -> list[str]:
    """What new connections end with, one after the other for some seconds."""
    elapsed, found = stopwatch(), []
    while elapsed() < seconds:
        found.append(walled.connect(source, host))
    return found


@pytest.mark.long
def test_nothing_opens_before_the_engine_runs_on_a_node(walled: Walled, say: Say) -> None:
    """A node starts, and has no engine: it refuses connections of all its pods, until the engine is there."""
    cluster = walled.cluster
    node = cluster.having("worker")[0]
    place(cluster, {"key": "kubernetes.io/hostname", "operator": "NotIn", "values": [node.name]})
    try:
        before = {name: restarts(walled, name) for name in (SERVER, NEAR)}
        node.restart()
        elapsed = stopwatch()
        # The node itself reaches its pods, or they would not be ready.
        eventually(lambda: back(walled, before), 90, "the pods are back")
        rules = node.run(f"nft list table inet {TABLE}").ok()
        assert "not-enforced-yet" in rules and CHAIN not in rules
        # Also where no policy selects anybody.
        ways = ((FAR, SERVER), (FAR, NEAR), (NEAR, FAR))
        assert {walled.connect(source, walled.address(target)) for source, target in ways} == {"TIMEOUT"}
        say(f"  pods of {node.name} answered their kubelet {elapsed():.1f} s after its start, and nobody else")
    finally:
        place(cluster, None)
    eventually(walled.holds, 60, "the isolation holds")
    assert "not-enforced-yet" not in node.run(f"nft list table inet {TABLE}").ok()


def test_a_power_cut_of_a_node(walled: Walled, say: Say) -> None:
    """Policies are enforced again without help of anybody."""
    node = walled.cluster.having("worker")[0]
    before = {name: restarts(walled, name) for name in (SERVER, NEAR)}
    node.kill()
    node.start()
    elapsed = stopwatch()
    eventually(lambda: back(walled, before), 90, "the pods are back")
    eventually(walled.holds, 60, "the isolation holds")
    say(f"  the node enforced policies, and its pods answered, {elapsed():.1f} s after its start")


def restarts(walled: Walled, name: str) -> int:
    """How often the container of a pod has started again."""
    found = walled.cluster.kubectl.get("pod", name, f"--namespace={walled.namespace_of(name)}")
    return int(found["status"]["containerStatuses"][0]["restartCount"])


def back(walled: Walled, before: Mapping[str, int]) -> None:
    """Asserts that pods have started again, and are ready. Until its kubelet runs, a pod seems to be as before."""
    for name, count in before.items():
        found = walled.cluster.kubectl.get("pod", name, f"--namespace={walled.namespace_of(name)}")["status"]
        (container,) = found["containerStatuses"]
        assert container["restartCount"] > count and container["ready"], name


def place(cluster: Cluster, expression: Mapping[str, Any] | None) -> None:
    """Let the engine run only on nodes that an expression selects; None: on all."""
    required = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}} if expression else None
    where = (f"daemonset/{ENGINE}", f"--namespace={ENGINE}")
    # On all nodes at once, because another template replaces every pod.
    for at_once, template in (("100%", {"spec": {"affinity": affinity}}), (1, {})):
        spec = {"template": template, "updateStrategy": {"rollingUpdate": {"maxUnavailable": at_once}}}
        cluster.kubectl("patch", *where, "--type=merge", f"--patch={json.dumps({'spec': spec})}").ok()
        cluster.kubectl("rollout", "status", *where, "--timeout=90s", timeout=100).ok()


@pytest.mark.proves_changes("network.policies")
def test_off_and_on_again(walled: Walled, say: Say) -> None:
    """Off: no rules stay on a node, and pods connect. On: nothing but the unit of the policies starts on a node."""
    cluster = walled.cluster
    on = {key: cluster.stack.page[key] for key in ("hardway:network", "hardway:access")}
    spaces = [one | {"network": "open"} for one in on["hardway:access"]["namespaces"]]
    network = {key: value for key, value in on["hardway:network"].items() if key != "policies"}
    cluster.change({"hardway:network": network, "hardway:access": on["hardway:access"] | {"namespaces": spaces}})
    run = cluster.up()
    say(f"  off after {run.seconds:.1f} s")

    def gone() -> None:
        for machine in cluster.machines.values():
            assert machine.run(f"nft list table inet {TABLE}").code != 0, machine.name
            assert machine.run("systemctl is-active network-policies-end.service").text.strip() != "active"
        assert walled.connect(FAR, walled.address(SERVER)) == "open"

    eventually(gone, 60, "no rules stay")
    cluster.change(on)
    run = cluster.up()
    say(f"  on after {run.seconds:.1f} s")
    assert cluster.kubectl.get("networkpolicy", LIMITED_BY, f"--namespace={ISOLATED}")
    eventually(walled.holds, SOON, "the isolation holds")
