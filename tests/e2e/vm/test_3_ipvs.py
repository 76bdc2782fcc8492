"""A workload, whose service is a virtual server of the kernel (ipvs)."""

from tests.e2e.support.cluster import Cluster
from tests.e2e.vm.machine import VirtualMachine
from tests.e2e.vm.place import Place
from tests.e2e.vm.services import answers, mechanisms
from tests.wait import eventually


def test_a_workload_answers(cluster: Cluster, place: Place, namespace: str, web: str) -> None:
    """By node port from this host, by cluster address from the node and a pod, by name from a pod."""
    eventually(lambda: answers(cluster, place, namespace, web), 120, "the workload answers", every=3)


def test_the_kernel_has_the_virtual_servers(
    cluster: Cluster, machine: VirtualMachine, namespace: str, web: str
) -> None:
    """The table of ipvs has the service with as many real servers as there are replicas.

    nftables has nothing of kube-proxy.
    """
    address = cluster.kubectl.get("service", web, f"--namespace={namespace}")["spec"]["clusterIP"]
    assert virtual_server(machine.read("/proc/net/ip_vs"), address, 8080) == 3
    found = mechanisms(machine)
    assert found.virtual_servers and found.interfaces and found.sets and found.chains, found
    assert found.tables == 0, found


def virtual_server(table: str, address: str, port: int) -> int:
    """The number of real servers of a virtual server in /proc/net/ip_vs. Fails if there is no such virtual server."""
    number = "".join(f"{int(part):02X}" for part in address.split("."))
    lines = iter(table.splitlines())
    wanted = f"TCP  {number}:{port:04X} "
    assert any(line.startswith(wanted) for line in lines), f"{wanted} is not in\n{table}"
    count = 0
    for line in lines:
        if not line.startswith("  ->"):
            break
        count += 1
    return count
