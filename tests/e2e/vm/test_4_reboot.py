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
    """`systemctl reboot`, and nothing else: swap is off again, modules are loaded, the workload answers.

    The machine waited for its pods: they ended in order, and others took their place.
    """
    before_reboot = _phases(cluster, namespace)
    assert set(before_reboot.values()) == {"Running"}
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
    phases = _phases(cluster, namespace)
    assert {phases[pod] for pod in before_reboot} == {"Succeeded"}, phases
    others = [phase for pod, phase in phases.items() if pod not in before_reboot]
    assert others == ["Running"] * len(before_reboot), phases


def _phases(cluster: Cluster, namespace: str) -> dict[str, str]:
    pods = cluster.kubectl.items("pods", f"--namespace={namespace}")
    return {pod["metadata"]["name"]: pod["status"]["phase"] for pod in pods}
