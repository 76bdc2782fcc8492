"""The preflight inspection of a host with a kernel of its own: swap, modules, names."""

import dataclasses

from tests.e2e.onprem import footprint
from tests.e2e.onprem.footprint import Footprint
from tests.e2e.support.progress import Say
from tests.e2e.support.stack import Stack
from tests.e2e.vm.image import GATEWAY
from tests.e2e.vm.machine import VirtualMachine
from tests.e2e.vm.place import NODE, Place

HEAD = "these hosts cannot become a cluster, and nothing was changed on any of them:"
KERNEL = "cut -d' ' -f1 /proc/modules"


def findings(stack: Stack, section: str, without: str = "") -> list[str]:
    """What `make up` finds if a section of the page lacks one of its keys."""
    changed = {key: value for key, value in stack.page[section].items() if key != without}
    run = dataclasses.replace(stack, page={**stack.page, section: changed}).up()
    assert run.code != 0 and HEAD in run.output and "Traceback" not in run.output, run.tail()
    found = (line.strip() for line in run.output.splitlines())
    return sorted({line for line in found if line.startswith(f"{NODE}: ")})


def test_the_machine_is_a_fresh_one(machine: VirtualMachine, place: Place, untouched: Footprint, say: Say) -> None:
    """Its own kernel, cgroup v2, swap that is on, and no module of a cluster."""
    assert untouched.things
    assert machine.run("systemd-detect-virt").ok().strip() == "qemu"
    assert machine.run("stat -fc %T /sys/fs/cgroup").ok().strip() == "cgroup2fs"
    assert len(machine.read("/proc/swaps").splitlines()) == 2
    loaded = set(machine.run(KERNEL).ok().split())
    assert not loaded & {"overlay", "br_netfilter", "nf_tables", "ip_vs", "vxlan"}, loaded
    say(f"  kernel {machine.run('uname -r').ok().strip()}; boot: {place.boot_seconds:.1f} s")


def test_swap_that_is_on_is_found(stack: Stack, machine: VirtualMachine, untouched: Footprint) -> None:
    """The finding says what to do. Swap stays on, and nothing else changes either."""
    found = findings(stack, "hardway:machines", without="swap")
    assert found == [f"{NODE}: swap is on: /dev/vdb; turn it off, or set hardway:machines.swap to disable"]
    assert len(machine.read("/proc/swaps").splitlines()) == 2
    assert footprint.take(machine).new_since(untouched) == {}


def test_what_the_kernel_and_the_names_lack_is_found(
    stack: Stack, machine: VirtualMachine, untouched: Footprint, say: Say
) -> None:
    """No ip_vs for the proxy mode ipvs, no vxlan for flannel, no `localhost`, no name server, a route: one error."""
    hide = "sed -E '/ip_vs|vxlan/d' $0 >/run/modules.dep && mount --bind /run/modules.dep $0"
    show = "umount $0 && rm /run/modules.dep"
    listing = "sh -c '{}' /lib/modules/$(uname -r)/modules.dep"
    machine.run(listing.format(hide.replace("'", '"'))).ok()
    machine.run("mv /etc/hosts /etc/hosts.before && echo 127.0.1.1 vm-1 >/etc/hosts").ok()
    machine.run(f"ip route add 10.244.3.0/24 via {GATEWAY}").ok()
    try:
        # Without the section, names outside of the cluster are resolved by the servers of the host.
        found = findings(stack, "hardway:dns", without="upstreams")
    finally:
        machine.run("ip route del 10.244.3.0/24").ok()
        machine.run("mv /etc/hosts.before /etc/hosts").ok()
        machine.run(listing.format(show)).ok()
    assert found == [
        f"{NODE}: /etc/hosts has no address for localhost; add the line: 127.0.0.1 localhost",
        f"{NODE}: /etc/resolv.conf names no server; name one, or set hardway:dns.upstreams",
        f"{NODE}: the host has a route to 10.244.3.0/24, which is in 10.244.0.0/16 of network.podCidr; "
        "remove the route, or choose another network on the page",
        f"{NODE}: the kernel lacks the module ip_vs",
        f"{NODE}: the kernel lacks the module ip_vs_rr",
        f"{NODE}: the kernel lacks the module vxlan",
    ]
    assert footprint.take(machine).new_since(untouched) == {}
    say("  " + "\n           ".join(found))
