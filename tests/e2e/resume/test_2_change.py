"""An upgrade of both machines is killed while releases are staged and activated."""

import random
from collections.abc import Callable

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.killing import begun, kill
from tests.e2e.support.laptop import AFTER
from tests.e2e.support.progress import Say

KILLS = 5
STEPS = 4
"""The steps of a run: two machines are staged and activated."""


def flagged(cluster: Cluster, pods: int) -> None:
    """Set `maxPods` on the page, so that every kubelet has to restart."""
    cluster.change({"hardway:extraConfig": {"kubelet": {"maxPods": pods}}})


def in_force(cluster: Cluster, pods: int) -> None:
    """Every running kubelet uses the number: the API has it as the capacity of the node."""
    for node in cluster.kubectl.items("nodes"):
        assert node["status"]["capacity"]["pods"] == str(pods), node["metadata"]["name"]


def test_killed_while_it_rolls(cluster: Cluster, chance: random.Random, say: Say) -> None:
    """Each kill comes a little after a random number of steps. At the end, the upgrade is active everywhere.

    Each run also changes `maxPods`, so that there is always a run to kill.
    """
    cluster.change({"hardway:versions": {"kubernetes": AFTER}})
    updates: Callable[[], int] = lambda: begun(cluster.stack, "update")  # noqa: E731
    for number, moment in enumerate(chance.choices(range(1, STEPS + 1), k=KILLS)):
        flagged(cluster, 91 + number)
        later = chance.uniform(0, 1.5)
        done = kill(cluster.stack, "up", updates, moment, later, plugins_too=number % 2 == 0)
        say(f"  kill {number + 1} at step {moment} + {later:.1f} s{' (engine only)' if number % 2 else ''}: {done}")
        assert done.code in (None, 0), done.tail()
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
