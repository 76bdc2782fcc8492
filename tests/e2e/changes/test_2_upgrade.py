"""An upgrade of Kubernetes by one minor version, under load."""

from datetime import UTC, datetime

import pytest

from bench.rolling import Rolled, rolled
from tests.e2e.changes.conftest import Probes, Web
from tests.e2e.support import pods
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.laptop import AFTER, BEFORE
from tests.e2e.support.machines import Machine
from tests.e2e.support.progress import Say
from tests.e2e.support.units import invocations, restarted
from tests.wait import eventually

CURRENT = "/opt/kubernetes/current"
VERSIONS = f"{CURRENT}/tables/versions"
CLIENTS = "kubelet|kube-proxy|kube-controller-manager|kube-scheduler"


def test_machine_refuses_to_skip_a_minor_version(cluster: Cluster, say: Say) -> None:
    """A machine with a version that is two minor versions older stops the run before any release is activated."""
    before, releases, old = invocations(cluster), _releases(cluster), cluster.machines["cp-2"]
    cluster.change({"hardway:versions": {"kubernetes": AFTER}})
    old.run(f"sed -i 's/^kube-apiserver .*/kube-apiserver 1.35.4/' {VERSIONS}").ok()
    try:
        run = cluster.up(expected=2)
    finally:
        old.run(f"sed -i 's/^kube-apiserver .*/kube-apiserver {BEFORE}/' {VERSIONS}").ok()
    refused = f"cp-2: Kubernetes 1.35.4 -> {AFTER} skips a minor version; allowed from 1.35.4: 1.35.x and 1.36.x"
    assert refused in run.output, run.tail()
    say(f"  refused after {run.seconds:.1f} s")
    assert (invocations(cluster), _releases(cluster)) == (before, releases)


def test_budget_stops_the_drain_of_a_worker(cluster: Cluster, web: Web, probes: Probes, say: Say) -> None:
    """The control plane is upgraded already. The run names the pod and its budget, and the worker is uncordoned."""
    workers = [machine.name for machine in cluster.having("worker")]
    before = invocations(cluster)
    cluster.kubectl.apply(pods.budget(web.namespace, web.name, 2)).ok()
    cluster.change({"hardway:rollout": {"drainTimeout": "10s"}})
    with probes() as watch:
        up = _rolled(cluster, 2, say)
        watch.assert_none_failed()
    assert f"{workers[0]}: these pods did not leave within 10 s" in up.run.output, up.run.tail()
    budget = "violate the pod's disruption budget. The disruption budget shop needs 2 healthy pods and has 2 currently"
    assert f" {web.namespace}/{web.name}-" in up.run.output and budget in up.run.output, up.run.tail()
    assert _versions(cluster) == {name: BEFORE if name in workers else AFTER for name in cluster.machines}
    assert not restarted(before, invocations(cluster)) & {key for key in before if key[0] in workers}
    nodes = cluster.kubectl.items("nodes")
    assert not [node["metadata"]["name"] for node in nodes if node["spec"].get("unschedulable")]


@pytest.mark.proves_changes("versions", "rollout")
def test_upgrade_goes_on_when_the_budget_allows_it(cluster: Cluster, web: Web, probes: Probes, say: Say) -> None:
    """Each worker is drained, upgraded and uncordoned. Nothing restarts on the control plane."""
    before, moved = invocations(cluster), _pods(cluster, web)
    cluster.kubectl.apply(pods.budget(web.namespace, web.name, 1)).ok()
    cluster.change({"hardway:rollout": None})
    with probes() as watch:
        up = _rolled(cluster, 0, say)
        watch.assert_none_failed()
    assert up.run.code == 0
    workers = {machine.name for machine in cluster.having("worker")}
    assert {machine for machine, _ in restarted(before, invocations(cluster))} == workers
    assert _versions(cluster) == dict.fromkeys(cluster.machines, AFTER)
    assert not _pods(cluster, web) & moved, "a worker was not emptied"
    nodes = cluster.kubectl.items("nodes")
    assert not [node["metadata"]["name"] for node in nodes if node["spec"].get("unschedulable")]


def test_nothing_met_an_api_server_older_than_itself(cluster: Cluster) -> None:
    """By the audit logs: no program of the new version sent a request to an API server of the old version."""
    for machine in cluster.having("control-plane"):
        first, started = _first_request_of_new_clients(machine), _start(machine)
        assert first >= started, f"{machine.name}: asked by a newer client at {first}, itself new since {started}"


def test_every_api_server_says_the_new_version(cluster: Cluster) -> None:
    """The API servers answer, and all pods of kube-system are ready."""
    ca = "/opt/kubernetes/ssl/kubernetes-ca.pem"
    for machine in cluster.having("control-plane"):
        answer = machine.run(f"curl -fsS --cacert {ca} --max-time 3 https://127.0.0.1:6443/readyz").ok()
        assert answer == "ok", machine.name
    eventually(lambda: _all_ready(cluster), 60, "every pod of kube-system is ready")


def test_no_way_back(cluster: Cluster, say: Say) -> None:
    """The machines refuse a downgrade, and nothing changes."""
    before, releases = invocations(cluster), _releases(cluster)
    cluster.change({"hardway:versions": {"kubernetes": BEFORE}})
    run = cluster.up(expected=2)
    say(f"  refused after {run.seconds:.1f} s")
    cluster.change({"hardway:versions": {"kubernetes": AFTER}})
    # The first machine that is staged stops the run. A worker can compare only the version of its kubelet.
    allowed = {"Kubernetes": "1.37.x and 1.38.x", "kubelet": "1.37.x or newer"}
    refused = [f"{what} {AFTER} -> {BEFORE} is a downgrade; allowed from {AFTER}: {allowed[what]}" for what in allowed]
    assert any(sentence in run.output for sentence in refused), run.tail()
    assert (invocations(cluster), _releases(cluster)) == (before, releases)


def _rolled(cluster: Cluster, expected: int, say: Say) -> Rolled:
    up = rolled(cluster.stack)
    say(f"  {up.line()}")
    assert up.run.code == expected, f"make up ended with {up.run.code}, not {expected}:\n{up.run.tail(60)}"
    return up


def _versions(cluster: Cluster) -> dict[str, str]:
    """The version of each node's kubelet, from the API."""
    nodes = cluster.kubectl.items("nodes")
    return {node["metadata"]["name"]: node["status"]["nodeInfo"]["kubeletVersion"].removeprefix("v") for node in nodes}


def _releases(cluster: Cluster) -> dict[str, str]:
    return {name: machine.run(f"readlink {CURRENT}").ok() for name, machine in cluster.machines.items()}


def _pods(cluster: Cluster, web: Web) -> set[str]:
    found = cluster.kubectl.items("pods", f"--namespace={web.namespace}", f"--selector=app={web.name}")
    return {pod["metadata"]["uid"] for pod in found}


def _start(machine: Machine) -> datetime:
    """When the API server of a machine was started, in whole seconds."""
    show = "systemctl show --property=ExecMainStartTimestamp --value kube-apiserver.service"
    return datetime.fromtimestamp(int(machine.run(f'date --date="$({show})" +%s').ok()), UTC)


def _first_request_of_new_clients(machine: Machine) -> datetime:
    """The time of the first audited request of a program with the new version to this API server."""
    wanted = f'"userAgent":"({CLIENTS})/v{AFTER}[ /]'
    when = 's/.*"requestReceivedTimestamp":"\\([^"]*\\)".*/\\1/p'
    log = "/opt/kubernetes/log/kube-apiserver/audit.log"
    first = machine.run(f"grep -hE '{wanted}' {log} | sed -n '{when}' | sort | head -n 1").ok().strip()
    assert first, f"{machine.name}: no request of a new client is in the audit log"
    return datetime.fromisoformat(first)


def _all_ready(cluster: Cluster) -> None:
    for pod in cluster.kubectl.items("pods", "--namespace=kube-system"):
        ready = [condition["status"] for condition in pod["status"]["conditions"] if condition["type"] == "Ready"]
        assert ready == ["True"], pod["metadata"]["name"]
