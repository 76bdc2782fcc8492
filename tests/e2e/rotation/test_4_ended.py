"""All certificates have ended while the machines were off, as of a laptop after the holidays."""

import time
from datetime import UTC, datetime, timedelta

from tests.e2e.changes.conftest import Web
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.ending import end_soon
from tests.e2e.support.progress import Say
from tests.wait import eventually

SECONDS = 60
"""How long the copies are valid: long enough to bring them to all machines."""


def test_one_up_brings_the_cluster_back(cluster: Cluster, web: Web, say: Say) -> None:
    """Every leaf is renewed, every machine takes its release at once, kubelets ask anew; workloads run again."""
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=SECONDS)
    machines = dict(cluster.machines)
    count = len(end_soon(cluster.stack, machines, end))
    say(f"  {count} leaves end at {end:%H:%M:%S}")
    for machine in machines.values():
        machine.kill()
    time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()) + 2)
    for machine in machines.values():
        machine.start()
    assert cluster.kubectl("get", "nodes", "--request-timeout=5s").code != 0, "the certificates have not ended"
    run = cluster.up()
    say(f"  back after {run.seconds:.1f} s")
    # A kubelet that works says so to the API some seconds later.
    eventually(lambda: _all_ready(cluster), 60, "all nodes are Ready")
    asked = cluster.machines["cp-1"]
    eventually(lambda: asked.run(f"curl -fsS --max-time 2 {web.url}").ok(), 60, "the service answers")
    for machine in cluster.machines.values():
        assert machine.run("test -e /opt/kubernetes/unproven").code == 1, machine.name


def _all_ready(cluster: Cluster) -> None:
    ready = cluster.readiness()
    assert ready == dict.fromkeys(cluster.machines, "True")
