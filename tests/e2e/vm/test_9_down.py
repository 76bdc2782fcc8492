"""`make down`: the machine is as before, except for data, packages, and the kernel until the next boot."""

from tests.e2e.onprem import footprint
from tests.e2e.onprem.footprint import Footprint
from tests.e2e.onprem.test_7_down import DATA
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.progress import Say
from tests.e2e.vm.machine import VirtualMachine
from tests.e2e.vm.services import Mechanisms, mechanisms


def test_down_takes_off_what_up_brought(
    cluster: Cluster, machine: VirtualMachine, untouched: Footprint, say: Say
) -> None:
    """Units, files, interfaces, routes, mounts, firewall, users, processes: compared with before `up`."""
    busy = footprint.take(machine).new_since(untouched)
    assert {"file", "unit", "running", "interface", "mount", "user", "program"} <= set(busy), busy
    run = cluster.destroy()
    say(f"  make down: {run.seconds:.1f} s")
    unchanged(machine, untouched)
    assert mechanisms(machine) == Mechanisms(0, 0, 0, 0, 0)


def test_a_boot_brings_back_the_rest(machine: VirtualMachine, untouched: Footprint) -> None:
    """Swap is on again, and no module of a cluster is loaded."""
    machine.reboot()
    assert len(machine.read("/proc/swaps").splitlines()) == 2
    loaded = set(machine.run("cut -d' ' -f1 /proc/modules").ok().split())
    assert not loaded & {"overlay", "br_netfilter", "ip_vs", "vxlan"}, loaded
    unchanged(machine, untouched)


def unchanged(machine: VirtualMachine, untouched: Footprint) -> None:
    """Fails if there is more on the machine than before `up`, and data with its owner."""
    left = footprint.take(machine).new_since(untouched)
    files = [path for path in left.pop("file", []) if not path.startswith(DATA)]
    assert files == [], files
    assert left.pop("user", []) in ([], ["etcd"])
    assert left == {}, left
