"""The preflight inspection of a host with a kernel of its own: swap, modules, names."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tests.e2e.onprem import footprint
from tests.e2e.onprem.footprint import Footprint
from tests.e2e.support.progress import Say
from tests.e2e.support.stack import Stack
from tests.e2e.vm.machine import VirtualMachine
from tests.e2e.vm.place import NODE, Place

HEAD = "these hosts cannot become a cluster, and nothing was changed on any of them:"
KERNEL = "cut -d' ' -f1 /proc/modules"


def findings(stack: Stack, section: str, without: str = "", more: Mapping[str, Any] | None = None) -> list[str]:
    """What `make up` finds with another section of the page, without one of its keys and with others."""
    changed = {key: value for key, value in stack.page[section].items() if key != without} | dict(more or {})
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
