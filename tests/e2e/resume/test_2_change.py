"""An upgrade of both machines, killed while it is staged and while it comes into force."""

import random
from collections.abc import Callable

from tests.e2e.changes.conftest import AFTER
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.killing import begun, kill
from tests.e2e.support.progress import Say

KILLS = 5
STEPS = 4
"""Two machines are staged and activated."""


def flagged(cluster: Cluster, pods: int) -> None:
    """Put another number of pods on the page: every kubelet restarts for it."""
    cluster.change({"hardway:extraConfig": {"kubelet": {"maxPods": pods}}})


def in_force(cluster: Cluster, pods: int) -> None:
    """Every kubelet that runs has read the number, and says so to the API."""
    for node in cluster.kubectl.items("nodes"):
        assert node["status"]["capacity"]["pods"] == str(pods), node["metadata"]["name"]


def test_killed_while_it_rolls(cluster: Cluster, chance: random.Random, say: Say) -> None:
    """After a random number of its steps have begun, and a little later; then it is in force everywhere.

    Each time the page wants something else of the kubelets as well, so that there is something to kill until the end.
    """
    cluster.change({"hardway:versions": {"kubernetes": AFTER}})
    updates: Callable[[], int] = lambda: begun(cluster.stack, "update")  # noqa: E731
    for number, moment in enumerate(chance.choices(range(1, STEPS + 1), k=KILLS)):
        flagged(cluster, 91 + number)
        later = chance.uniform(0, 1.5)
        done = kill(cluster.stack, "up", updates, moment, later, plugins_too=number % 2 == 0)
        say(f"  kill {number + 1} at step {moment} + {later:.1f} s{' (engine only)' if number % 2 else ''}: {done}")
        assert done.code in (None, 0), cluster.stack.folder / "killed.log"
    flagged(cluster, 90)
    run = cluster.stack.up()
    assert run.code == 0, run.tail(60)
    say(f"  the last run took {run.seconds:.1f} s")
    in_force(cluster, 90)
    for node in cluster.kubectl.items("nodes"):
        assert node["status"]["nodeInfo"]["kubeletVersion"] == f"v{AFTER}", node["metadata"]["name"]
        assert not node["spec"].get("unschedulable"), node["metadata"]["name"]
    for machine in cluster.machines.values():
        assert machine.run("test -e /opt/kubernetes/unproven").code == 1, machine.name
