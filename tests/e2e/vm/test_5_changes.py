"""Changes of a running node that has a kernel of its own: nothing of the mode before stays in the kernel."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.progress import Say, stopwatch
from tests.e2e.vm.machine import VirtualMachine
from tests.e2e.vm.place import Place
from tests.e2e.vm.services import answers, mechanisms
from tests.wait import becomes, eventually

UNIT = "/etc/systemd/system/kubernetes-swap-off.service"


def test_from_ipvs_to_nftables(
    cluster: Cluster, place: Place, machine: VirtualMachine, namespace: str, web: str, say: Say
) -> None:
    """The workload answers through nftables; virtual servers, interface, sets and chains of ipvs are gone.

    The page also stops to turn swap off: the unit goes, and swap stays as it is until the next boot.
    """
    _change(cluster, {"proxyMode": "nftables"}, "refuse", say)
    eventually(lambda: answers(cluster, place, namespace, web), 120, "the workload answers", every=3)

    def only_nftables() -> None:
        found = mechanisms(machine)
        # One of flannel, and one of kube-proxy for each family of addresses that the kernel has.
        assert found.tables in (2, 3), found
        assert found.virtual_servers == found.interfaces == found.sets == found.chains == 0, found

    eventually(only_nftables, 60, "nothing of ipvs stays", every=3)
    assert machine.run(f"test -e {UNIT}").code != 0
    assert len(machine.read("/proc/swaps").splitlines()) == 1


def test_flushed_rules_come_back(
    cluster: Cluster, place: Place, machine: VirtualMachine, namespace: str, web: str, say: Say
) -> None:
    """As after a firewall of the host was loaded again: the workload answers, by rules of kube-proxy and flannel."""
    before, elapsed = mechanisms(machine), stopwatch()
    machine.run("nft flush ruleset").ok()
    eventually(lambda: answers(cluster, place, namespace, web), 300, "the workload answers", every=3)
    say(f"  the workload answered {elapsed():.1f} s after all rules were flushed")
    becomes(lambda: mechanisms(machine), before, 120, "all rules are back", every=3)


def test_a_copy_of_rules_with_a_queue_is_accepted(machine: VirtualMachine) -> None:
    """A kernel of Debian has nft_queue, so nftables_guard.sh brings back rules of network policies as they were."""
    copied = """
    nft 'add table inet try; add chain inet try c; add rule inet try c queue num 98'
    nft list table inet try >/run/try.nft
    nft delete table inet try
    nft -f /run/try.nft
    nft list table inet try | cmp - /run/try.nft
    nft delete table inet try
    rm /run/try.nft
    """
    machine.run(f"set -e\n{copied}").ok()


@pytest.mark.proves_changes("machines.swap")
def test_and_back_to_ipvs(
    cluster: Cluster, place: Place, machine: VirtualMachine, namespace: str, web: str, say: Say
) -> None:
    """The workload answers through ipvs; the tables of nftables are gone. Swap, which somebody turned on, is off."""
    machine.run("swapon --all").ok()
    assert len(machine.read("/proc/swaps").splitlines()) == 2
    _change(cluster, {"proxyMode": "ipvs"}, "disable", say)
    eventually(lambda: answers(cluster, place, namespace, web), 120, "the workload answers", every=3)

    def only_ipvs() -> None:
        found = mechanisms(machine)
        assert found.virtual_servers and found.interfaces and found.tables == 0, found

    eventually(only_ipvs, 60, "nothing of nftables stays", every=3)
    assert machine.run(f"test -e {UNIT}").code == 0
    assert len(machine.read("/proc/swaps").splitlines()) == 1


def test_from_ipvs_to_iptables(
    cluster: Cluster, place: Place, machine: VirtualMachine, namespace: str, web: str, say: Say
) -> None:
    """kube-proxy itself leaves virtual servers in the kernel if its next mode is iptables."""
    _change(cluster, {"proxyMode": "iptables"}, "disable", say)
    eventually(lambda: answers(cluster, place, namespace, web), 120, "the workload answers", every=3)

    def only_iptables() -> None:
        found = mechanisms(machine)
        assert found.chains and found.virtual_servers == found.interfaces == found.sets == found.tables == 0, found

    eventually(only_iptables, 60, "nothing of ipvs stays", every=3)


def _change(cluster: Cluster, network: Mapping[str, Any], swap: str, say: Say) -> None:
    page = cluster.stack.page
    cluster.change(
        {
            "hardway:network": {**page["hardway:network"], **network},
            "hardway:machines": {**page["hardway:machines"], "swap": swap},
        }
    )
    run = cluster.up()
    say(f"  make up with proxyMode: {network['proxyMode']}, swap: {swap}: {run.seconds:.1f} s")
