"""Nodes are added and removed under load, without a failed request."""

import pytest

from components.membership.decisions import EtcdMember, RefusedError, check_members
from components.membership.removed_nodes import script
from tests.e2e.changes.conftest import Probes, Web
from tests.e2e.members.conftest import MASTER, MEMBER, WORKER, nodes
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.etcd import voters
from tests.e2e.support.progress import Say
from tests.e2e.support.units import connections, invocations, restarted_beside

ONE = {"cp_1": MASTER, "worker_1": WORKER, "worker_2": WORKER}
FOUR = ONE | {"worker_3": WORKER}
THREE_MASTERS = ONE | {"cp_2": MASTER, "cp_3": MASTER}
FIVE_MEMBERS = THREE_MASTERS | {"etcd_1": MEMBER, "etcd_2": MEMBER}


def _ready(cluster: Cluster) -> set[str]:
    return {
        node["metadata"]["name"]
        for node in cluster.kubectl.items("nodes")
        if not node["spec"].get("unschedulable")
        for condition in node["status"]["conditions"]
        if (condition["type"], condition["status"]) == ("Ready", "True")
    }


@pytest.mark.proves_changes("nodes")
def test_a_worker_comes(cluster: Cluster, probes: Probes, say: Say) -> None:
    """No connection is made to the other machines."""
    dialled, before = connections(cluster), invocations(cluster)
    cluster.change(nodes(**FOUR))
    with probes() as watch:
        run = cluster.up()
        watch.assert_none_failed()
    say(f"  a worker more in {run.seconds:.1f} s")
    now = connections(cluster)
    assert {name: now[name] - count for name, count in dialled.items()} == {"cp-1": 0, "worker-1": 0, "worker-2": 0}
    assert restarted_beside(before, cluster, {"worker-3"}) == set()
    assert _ready(cluster) == {"cp-1", "worker-1", "worker-2", "worker-3"}


def test_a_worker_goes(cluster: Cluster, web: Web, probes: Probes, say: Say) -> None:
    """The pods of the worker are evicted first. Then its Node object is deleted."""
    kubectl = cluster.kubectl
    kubectl("cordon", "worker-1").ok()
    kubectl("rollout", "restart", f"deployment/{web.name}", f"--namespace={web.namespace}").ok()
    kubectl.rolled_out(web.namespace, web.name)
    kubectl("uncordon", "worker-1").ok()
    pods = kubectl.items("pods", f"--namespace={web.namespace}", "--field-selector=status.phase=Running")
    assert "worker-3" in {pod["spec"]["nodeName"] for pod in pods}, "there is nothing on it to move"
    before = invocations(cluster)
    cluster.change(nodes(**ONE))
    with probes() as watch:
        run = cluster.up()
        watch.assert_none_failed()
    say(f"  a worker less in {run.seconds:.1f} s")
    assert _ready(cluster) == {"cp-1", "worker-1", "worker-2"}
    assert restarted_beside(before, cluster, {"worker-3"}) == set()


def test_one_control_plane_node_becomes_three(cluster: Cluster, probes: Probes, say: Say) -> None:
    """New members join as learners. The first member and its API server do not restart."""
    before = invocations(cluster)
    first = voters(cluster.machines["cp-1"])
    cluster.change(nodes(**THREE_MASTERS))
    with probes(("cp-1", "worker-1")) as watch:
        run = cluster.up()
        watch.assert_none_failed()
    say(f"  two control-plane nodes more in {run.seconds:.1f} s")
    found = voters(cluster.machines["cp-3"])
    assert set(found) == {"cp-1", "cp-2", "cp-3"}
    assert found["cp-1"] == first["cp-1"]
    assert restarted_beside(before, cluster, {"cp-2", "cp-3"}) == set()
    assert _ready(cluster) == {"cp-1", "cp-2", "cp-3", "worker-1", "worker-2"}


def test_three_members_become_five(cluster: Cluster, probes: Probes, say: Say) -> None:
    """The new machines are only etcd members, so nothing changes on workers, and no connection is made to them."""
    before, dialled = invocations(cluster), connections(cluster)
    cluster.change(nodes(**FIVE_MEMBERS))
    with probes(("cp-2", "worker-1")) as watch:
        run = cluster.up()
        watch.assert_none_failed()
    say(f"  two members of etcd more in {run.seconds:.1f} s")
    assert set(voters(cluster.machines["cp-1"])) == {"cp-1", "cp-2", "cp-3", "etcd-1", "etcd-2"}
    assert restarted_beside(before, cluster, {"etcd-1", "etcd-2"}) == set()
    now = connections(cluster)
    assert {name: now[name] - dialled[name] for name in ("worker-1", "worker-2")} == {"worker-1": 0, "worker-2": 0}


def test_no_member_leaves_while_one_that_stays_is_not_healthy(cluster: Cluster) -> None:
    """The removal is refused even if a majority would be left."""
    cp_1, sick, stays = (cluster.machines[name] for name in ("cp-1", "etcd-1", "cp-2"))
    members = voters(cp_1)
    wanted = {machine.name: machine.address for machine in (cp_1, stays, sick)}
    sick.run("systemctl stop etcd.service").ok()
    try:
        said = cp_1.run("sh -s", stdin=f"{script(wanted)}\nrequest list_members\n").ok().splitlines()
    finally:
        sick.run("systemctl start etcd.service").ok()
    assert said.pop() == "@end 0", said
    with pytest.raises(RefusedError, match="etcd member etcd-1 is not healthy, so no other member can be removed"):
        check_members([EtcdMember.read(line) for line in said], wanted)
    assert voters(cp_1) == members


def test_five_members_become_three(cluster: Cluster, probes: Probes, say: Say) -> None:
    """Members are removed one by one. The other members do not restart."""
    before = invocations(cluster)
    cluster.change(nodes(**THREE_MASTERS))
    with probes(("cp-2", "worker-1")) as watch:
        run = cluster.up()
        watch.assert_none_failed()
    say(f"  two members of etcd less in {run.seconds:.1f} s")
    assert set(voters(cluster.machines["cp-1"])) == {"cp-1", "cp-2", "cp-3"}
    assert restarted_beside(before, cluster, {"etcd-1", "etcd-2"}) == set()
