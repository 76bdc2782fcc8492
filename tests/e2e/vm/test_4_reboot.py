"""The machine reboots: the cluster comes back without Pulumi."""

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.progress import Say, stopwatch
from tests.e2e.vm.machine import VirtualMachine
from tests.e2e.vm.place import NODE, Place
from tests.e2e.vm.services import answers
from tests.e2e.vm.test_2_up import prepared
from tests.wait import eventually

LIMIT = 1200
"""Seconds until the workload answers again. An idle host needs a quarter of it."""


def test_node_and_workload_come_back(
    cluster: Cluster, place: Place, machine: VirtualMachine, namespace: str, web: str, say: Say
) -> None:
    """`systemctl reboot`, and nothing else: swap is off again, modules are loaded, the same pods answer."""
    pods = _pods(cluster, namespace)
    before = machine.boot_id()
    elapsed = stopwatch()
    machine.reboot()
    say(f"  the machine takes commands again after {elapsed():.1f} s")
    assert machine.boot_id() != before

    def ready() -> None:
        assert cluster.readiness() == {NODE: "True"}
        # The status is of this boot.
        reported = cluster.kubectl.get("node", NODE)["status"]["nodeInfo"]["bootID"]
        assert reported == machine.boot_id()

    eventually(ready, LIMIT, "the node is Ready", every=3)
    say(f"  the node is Ready after {elapsed():.1f} s")
    eventually(lambda: answers(cluster, place, namespace, web), LIMIT, "the workload answers", every=3)
    say(f"  the workload answers after {elapsed():.1f} s")
    prepared(machine)
    assert _pods(cluster, namespace) == pods


def _pods(cluster: Cluster, namespace: str) -> set[str]:
    return {pod["metadata"]["uid"] for pod in cluster.kubectl.items("pods", f"--namespace={namespace}")}
