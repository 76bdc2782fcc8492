"""Another `network.proxyMode` on a running node: nothing of the mode before stays in the kernel."""

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.progress import Say
from tests.e2e.vm.machine import VirtualMachine
from tests.e2e.vm.place import Place
from tests.e2e.vm.services import answers, mechanisms
from tests.wait import eventually


def test_from_ipvs_to_nftables(
    cluster: Cluster, place: Place, machine: VirtualMachine, namespace: str, web: str, say: Say
) -> None:
    """The workload answers through nftables; virtual servers, interface, sets and chains of ipvs are gone."""
    _change(cluster, "nftables", say)
    eventually(lambda: answers(cluster, place, namespace, web), 120, "the workload answers", every=3)

    def only_nftables() -> None:
        found = mechanisms(machine)
        assert found.tables == 2 and found.virtual_servers == found.interfaces == found.sets == found.chains == 0, found

    eventually(only_nftables, 60, "nothing of ipvs stays", every=3)


def test_and_back_to_ipvs(
    cluster: Cluster, place: Place, machine: VirtualMachine, namespace: str, web: str, say: Say
) -> None:
    """The workload answers through ipvs; the tables of nftables are gone."""
    _change(cluster, "ipvs", say)
    eventually(lambda: answers(cluster, place, namespace, web), 120, "the workload answers", every=3)

    def only_ipvs() -> None:
        found = mechanisms(machine)
        assert found.virtual_servers and found.interfaces and found.tables == 0, found

    eventually(only_ipvs, 60, "nothing of nftables stays", every=3)


def _change(cluster: Cluster, mode: str, say: Say) -> None:
    cluster.change({"hardway:network": cluster.stack.page["hardway:network"] | {"proxyMode": mode}})
    run = cluster.up()
    say(f"  make up with proxyMode: {mode}: {run.seconds:.1f} s")
