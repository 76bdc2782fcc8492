"""Changes of flags: nothing restarts without need, and a wrong flag does no harm."""

import json

import pytest

from tests.e2e.changes.conftest import Probes
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.progress import Say
from tests.e2e.support.units import assert_only_rolled, connections, invocations, restarted

API_SERVER = "kube-apiserver"


def test_wrong_flag_is_taken_back_by_the_first_machine(cluster: Cluster, probes: Probes, say: Say) -> None:
    """The run names the node, the unit and its last lines. No other node changes, and no request fails.

    The page cannot know what files a machine has.
    """
    before, flag, missing = invocations(cluster), "tls-sni-cert-key", "/etc/no-such-certificate"
    cluster.change({"hardway:extraArgs": {API_SERVER: {flag: f"{missing},/etc/no-such-key"}}})
    with probes() as watch:
        run = cluster.up(expected=2)
        watch.assert_none_failed()
    say(f"  failed after {run.seconds:.1f} s")
    for said in (
        f"cp-1: unit {API_SERVER}.service",
        f"open {missing}: no such file or directory",
        "the machine is back on release",
    ):
        assert said in run.output, run.tail()
    assert restarted(before, invocations(cluster)) == {("cp-1", API_SERVER)}
    assert flag not in cluster.machines["cp-1"].read(f"/opt/kubernetes/current/units/{API_SERVER}.service")


@pytest.mark.proves_changes("extraArgs")
def test_right_flag_restarts_one_unit_on_one_node_after_the_other(cluster: Cluster, probes: Probes, say: Say) -> None:
    """After a failed run, the next run applies the corrected page."""
    before, dialled = invocations(cluster), connections(cluster)
    cluster.change({"hardway:extraArgs": {API_SERVER: {"max-requests-inflight": 500}}})
    masters = cluster.having("control-plane")
    with probes() as watch:
        run = cluster.up()
        watch.assert_none_failed()
    say(f"  {len(masters)} API servers restarted in {run.seconds:.1f} s")
    assert_only_rolled(before, cluster, masters, API_SERVER)
    for machine in masters:
        process = machine.run(f"tr '\\0' '\\n' </proc/$(pidof {API_SERVER})/cmdline").ok()
        assert "--max-requests-inflight=500" in process
    # Workers do not change, so no connection is made to them.
    now = connections(cluster)
    assert {m.name: now[m.name] for m in cluster.having("worker")} == {
        m.name: dialled[m.name] for m in cluster.having("worker")
    }


@pytest.mark.proves_changes("extraConfig")
def test_pods_live_on_when_their_kubelet_is_restarted(cluster: Cluster, probes: Probes, say: Say) -> None:
    """A changed field of the kubelet configuration: all containers continue to run on every node."""
    before, pods = invocations(cluster), _containers(cluster)
    cluster.change({"hardway:extraConfig": {"kubelet": {"maxPods": 100}}})
    with probes() as watch:
        run = cluster.up()
        watch.assert_none_failed()
    say(f"  {len(cluster.machines)} kubelets restarted in {run.seconds:.1f} s")
    assert_only_rolled(before, cluster, list(cluster.machines.values()), "kubelet")
    assert _containers(cluster) == pods
    nodes = cluster.kubectl.items("nodes")
    assert not [node for node in nodes if node["spec"].get("unschedulable")], "a node was drained without need"


def test_containers_outlive_their_runtime(cluster: Cluster, probes: Probes) -> None:
    """Containers continue to run when containerd restarts, so a change of containerd needs no drain."""
    pods = _containers(cluster)
    with probes() as watch:
        for machine in cluster.having("worker"):
            machine.run("systemctl restart containerd.service").ok()
            machine.run("until /opt/kubernetes/bin/crictl ps -q >/dev/null; do sleep 0.2; done").ok()
        watch.assert_none_failed()
    assert _containers(cluster) == pods


def _containers(cluster: Cluster) -> dict[str, tuple[str, int]]:
    """Id and restarts of every container of every pod."""
    found = {}
    for pod in cluster.kubectl.items("pods", "--all-namespaces"):
        for status in pod["status"]["containerStatuses"]:
            key = json.dumps([pod["metadata"]["namespace"], pod["metadata"]["name"], status["name"]])
            found[key] = (status["containerID"], status["restartCount"])
    return found
