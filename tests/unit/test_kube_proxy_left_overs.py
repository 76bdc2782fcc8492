"""What one mode of kube-proxy has left in the kernel, and the next mode would leave there: removed before its start."""

import shlex
from pathlib import Path

import pytest
from clusters import cluster
from scratch_machine import ScratchMachine

from components.node.model import ROOT

NAT = "*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n{}COMMIT\n"


def lines(mode: str) -> list[str]:
    """The commands that clean before a start of kube-proxy in this mode."""
    units = cluster("stacked", {"network.proxyMode": mode}).part("worker-1").units
    (unit,) = (found for found in units if found.name == "kube-proxy.service")
    return [line.partition("=")[2] for line in unit.text.splitlines() if "--cleanup" in line]


@pytest.mark.parametrize(
    ("mode", "interface", "rules", "cleans"),
    [
        ("iptables", True, "", True),
        ("iptables", False, ":KUBE-SVC-ABC - [0:0]\n", False),
        ("nftables", True, "", True),
        ("nftables", False, ":KUBE-SVC-ABC - [0:0]\n", False),
        ("ipvs", True, ":KUBE-SVC-ABC - [0:0]\n", True),
        # After a boot, and after the restart of a kube-proxy whose mode stays.
        ("ipvs", False, "", False),
        ("ipvs", True, "", False),
    ],
)
def test_only_what_another_mode_has_left_is_removed(
    tmp_path: Path, mode: str, interface: bool, rules: str, cleans: bool
) -> None:
    machine = ScratchMachine(tmp_path)
    machine.program("kube-proxy", at=machine.root / "bin")
    machine.program("iptables-save", f"printf '{NAT.format(rules)}'")
    if interface:
        (machine.sysroot / "sys/class/net/kube-ipvs0").mkdir()
    (line,) = lines(mode)
    # kube-proxy starts all the same if the removal fails.
    assert line.startswith("-")
    here = line[1:].replace(ROOT, str(machine.root)).replace("/sys/", f"{machine.sysroot}/sys/")
    done = machine.execute(shlex.split(here))
    assert done.returncode == 0, done.stderr
    assert ("kube-proxy --cleanup" in machine.calls) == cleans


@pytest.mark.parametrize("mode", ["iptables", "nftables"])
def test_sets_of_ipvs_are_removed(tmp_path: Path, mode: str) -> None:
    """kube-proxy itself leaves the sets of IPv6. Sets of others stay."""
    machine = ScratchMachine(tmp_path)
    machine.program("kube-proxy", at=machine.root / "bin")
    machine.program("ipset", "[ $1 != list ] || printf 'theirs\\nKUBE-6-CLUSTER-IP\\nKUBE-6-LOOP-BACK\\n'")
    (machine.sysroot / "sys/class/net/kube-ipvs0").mkdir()
    (line,) = lines(mode)
    here = line[1:].replace(ROOT, str(machine.root)).replace("/sys/", f"{machine.sysroot}/sys/")
    assert machine.execute(shlex.split(here)).returncode == 0
    removed = [call for call in machine.calls if call.startswith("ipset destroy")]
    assert removed == ["ipset destroy KUBE-6-CLUSTER-IP", "ipset destroy KUBE-6-LOOP-BACK"]
