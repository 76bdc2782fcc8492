"""`make up` on a slow machine with a kernel of its own."""

import re

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.progress import Say
from tests.e2e.vm.machine import VirtualMachine
from tests.e2e.vm.place import NODE


def test_the_node_is_ready_when_up_returns(cluster: Cluster, machine: VirtualMachine, say: Say) -> None:
    """The first `up` succeeds after a failed preflight."""
    assert cluster.first_up is not None
    assert cluster.readiness() == {NODE: "True"}
    say(f"  first `make up`: {cluster.first_up.seconds:.1f} s; load of the machine: {machine.read('/proc/loadavg')}")
    for step in ("hosts-preflight", f"{NODE} stage", f"{NODE} activate", f"{NODE} Ready", "coredns-servers pods"):
        found = re.search(rf" {step}: done in ([\d.]+) s", cluster.first_up.output)
        assert found, step
        say(f"    {step}: {found[1]} s")


def test_the_kernel_is_prepared(cluster: Cluster, machine: VirtualMachine) -> None:
    """Swap is off, modules are loaded, settings are set."""
    assert cluster.first_up is not None
    prepared(machine)


def test_second_up_changes_nothing_and_dials_no_host(cluster: Cluster, machine: VirtualMachine, say: Say) -> None:
    """No resource changes, and Pulumi does not connect to the machine."""
    before = logins(machine)
    run = cluster.up()
    summary = run.output.partition("Resources:")[2].partition("Duration:")[0]
    assert re.fullmatch(r"\s*\d+ unchanged\s*", summary), run.tail()
    # One for each of the two questions.
    assert logins(machine) == before + 1
    say(f"  second `make up`: {run.seconds:.1f} s")


def prepared(machine: VirtualMachine) -> None:
    """Fails if the kernel is not as a node of a cluster needs it. /etc/fstab is as it was."""
    assert len(machine.read("/proc/swaps").splitlines()) == 1, "swap is on"
    assert machine.run("grep -c swap /etc/fstab").ok().strip() == "1"
    loaded = set(machine.run("cut -d' ' -f1 /proc/modules").ok().split())
    assert {"overlay", "br_netfilter"} <= loaded, loaded
    for name, value in {
        "net.ipv4.ip_forward": "1",
        "net.bridge.bridge-nf-call-iptables": "1",
        "kernel.panic": "10",
        "vm.overcommit_memory": "1",
    }.items():
        assert machine.read(f"/proc/sys/{name.replace('.', '/')}").strip() == value, name


def logins(machine: VirtualMachine) -> int:
    """How often somebody has logged in since the boot, this question included."""
    return machine.run("journalctl --boot --unit ssh.service --no-pager").ok().count("Accepted publickey")
