"""Healthy and lost machines are replaced under the same name. Nothing restarts on other machines.

Healthy machines come first: for two minutes after the death of a machine, a request may fail by chance. conntrack leads
a new connection to a dead pod if it has the source port of an earlier connection that was never answered.
"""

import pytest

from tests.e2e.changes.conftest import Probes, Web
from tests.e2e.members.test_1_scale import _ready
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.etcd import voters
from tests.e2e.support.long import long
from tests.e2e.support.process import ask
from tests.e2e.support.progress import Say
from tests.e2e.support.units import invocations, restarted_beside

CERTIFICATE = "/var/lib/kubelet/pki/kubelet-client-current.pem"


@pytest.mark.parametrize("name", [long("worker-1"), "cp-3"])
def test_healthy_machine_is_replaced(cluster: Cluster, probes: Probes, say: Say, name: str) -> None:
    """The machine is drained and shut down in order, so no request fails."""
    before = invocations(cluster)
    with probes(("cp-2", "worker-2")) as watch:
        run = cluster.stack.replace(name)
        assert run.code == 0, run.tail(60)
        watch.assert_none_failed()
    say(f"  {name} replaced in {run.seconds:.1f} s")
    assert _ready(cluster) == {"cp-1", "cp-2", "cp-3", "worker-1", "worker-2"}
    assert restarted_beside(before, cluster, {name}) == set()
    assert set(voters(cluster.machines["cp-2"])) == {"cp-1", "cp-2", "cp-3"}


@pytest.mark.parametrize("name", ["cp-1", long("worker-2")])
def test_lost_machine_is_replaced(cluster: Cluster, web: Web, probes: Probes, say: Say, name: str) -> None:
    """Container and volume are gone. After one command, the member has joined and the kubelet has a new certificate."""
    # Puts one web server on each worker: an earlier drain has moved both to the same worker.
    for replicas in (1, 2):
        scaled = ("scale", f"deployment/{web.name}", f"--namespace={web.namespace}", f"--replicas={replicas}")
        cluster.kubectl(*scaled).ok()
        cluster.kubectl.rolled_out(web.namespace, web.name)
    machine, other = cluster.machines[name], cluster.machines["cp-2"]
    before, members = invocations(cluster), voters(other)
    certificate = machine.read(CERTIFICATE)
    uid = cluster.kubectl.get("node", name)["metadata"]["uid"]
    with probes(("cp-2", "worker-1")) as watch:
        machine.kill()
        ask([*machine.engine, "rm", "--force", "--volumes", machine.container]).ok()
        ask([*machine.engine, "volume", "rm", "--force", machine.container]).ok()
        run = cluster.stack.replace(name)
        reports = watch.reports()
    assert run.code == 0, run.tail(60)
    say(f"  {name} replaced in {run.seconds:.1f} s")
    cluster.__dict__.pop("machines", None)
    assert cluster.machines[name].read(CERTIFICATE) != certificate
    assert cluster.kubectl.get("node", name)["metadata"]["uid"] == uid
    assert _ready(cluster) == {"cp-1", "cp-2", "cp-3", "worker-1", "worker-2"}
    found = voters(other)
    assert set(found) == set(members)
    assert {member for member, id_ in members.items() if found[member] != id_} == {name} & set(members)
    assert restarted_beside(before, cluster, {name}) == set()
    # Requests that the lost machine was answering fail. Half of the requests to the service meet the pod on the lost
    # machine until `make replace` has deleted this pod by force: ten seconds of half a minute.
    *api, service = reports
    assert all(report.failed <= 0.02 * report.requests for report in api)
    assert service.failed <= 0.15 * service.requests, service.line()
