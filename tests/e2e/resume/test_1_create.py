"""The first `make up` is killed ten times. Each run continues, and the last run ends like any other."""

import random
import re

from tests.e2e.resume.conftest import Begin
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.killing import kill, recorded
from tests.e2e.support.progress import Say, stopwatch

KILLS = 10
ALL = 110
"""Less than the 122 resources of this stack, so that the last kill meets a run that still works."""


def test_killed_ten_times(begin: Begin, cluster: Cluster, chance: random.Random, say: Say) -> None:
    """Each kill comes a little after a random number of resources. Every third kill spares plugins and scripts."""
    stack, elapsed = begin.stack, stopwatch()
    moments = sorted(chance.sample(range(ALL), KILLS))
    for number, moment in enumerate(moments):
        later, all_of_it = chance.uniform(0, 2), number % 3 != 2
        done = kill(stack, "up", lambda: recorded(stack), moment, later, plugins_too=all_of_it)
        say(f"  kill {number + 1} at {moment} resources + {later:.1f} s{'' if all_of_it else ' (engine only)'}: {done}")
        assert done.code is None, done.tail()
    run = stack.up()
    say(f"  the last run took {run.seconds:.1f} s, all {elapsed():.1f} s; {recorded(stack)} resources")
    assert run.code == 0, run.tail(60)


def test_it_is_as_if_nothing_had_happened(begin: Begin, cluster: Cluster, say: Say) -> None:
    """The cluster has the machines of the page, there is no pending operation, and a second run changes nothing."""
    ready = {
        node["metadata"]["name"]: condition["status"]
        for node in cluster.kubectl.items("nodes")
        for condition in node["status"]["conditions"]
        if condition["type"] == "Ready"
    }
    assert ready == dict.fromkeys(cluster.machines, "True")
    for machine in cluster.machines.values():
        assert machine.run("ls /opt/kubernetes/unproven /opt/kubernetes/releases/.new-*").stdout == "", machine.name
        assert machine.run("systemctl --failed --no-legend --plain").ok() == "", machine.name
    dns = cluster.kubectl.get("service", "kube-dns", "--namespace=kube-system")["spec"]["clusterIP"]
    api = cluster.kubectl.get("service", "kubernetes")["spec"]["clusterIP"]
    for machine in cluster.machines.values():
        assert machine.tool("dns", dns, "kubernetes.default.svc.cluster.local").ok().split() == [api], machine.name
    run = begin.stack.up()
    assert run.code == 0, run.tail()
    assert "pending operations" not in run.output and "was killed" not in run.output
    summary = run.output.partition("Resources:")[2].partition("Duration:")[0]
    assert re.fullmatch(r"\s*\d+ unchanged\s*", summary), run.tail()


def test_objects_have_one_owner(cluster: Cluster) -> None:
    """No object has a field manager that a killed run made up: such a manager would own its fields forever."""
    for kind in ("clusterrolebindings", "configmaps", "daemonsets", "deployments", "namespaces", "nodes", "services"):
        for found in cluster.kubectl.items(kind, "--all-namespaces", "--show-managed-fields"):
            owners = {entry["manager"] for entry in found["metadata"].get("managedFields", [])}
            assert not [owner for owner in owners if owner.startswith("pulumi-kubernetes")], found["metadata"]["name"]
