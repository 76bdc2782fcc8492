"""nftables_guard.sh: what something else has flushed comes back, and what the program has removed does not."""

from pathlib import Path

import pytest
from clusters import NAMES, cluster
from scratch_machine import ScratchMachine

from components.network_policies.names import TABLE
from components.node.model import NodePart

ENGINE, PROXY, PLUGIN = f"inet {TABLE}", "ip kube-proxy", "ip flannel-ipv4"
# One file is a table of the kernel. `monitor` does what the test says, and says that a table has come or gone.
NFT = """\
cd "$HARDWAY_SYSROOT/tables"
case "$1 $2" in
"list tables") ls | sed "s/^/table /" ;;
"list table") cat "$3 $4" ;;
"monitor tables") . "$HARDWAY_SYSROOT/monitor" ;;
-f*) case $2 in */ip-*) name="ip flannel-ipv4" ;; *) name="inet kube-network-policies" ;; esac
    grep -q accepted "$2" && cp "$2" "$name" ;;
esac
"""
WAITS = "do /bin/sleep 0.02; done\n"
KEPT = 'until [ -e "$HARDWAY_SYSROOT/run/nftables-guard/inet-kube-network-policies" ]; ' + WAITS
LOOKED = 'echo one; echo two; until [ "$(grep -c "list tables" "$CALLS")" -ge 2 ]; ' + WAITS
"""Two looks have begun, so the first has ended."""
FLUSH = 'rm -f "$HARDWAY_SYSROOT"/tables/*; echo "delete table"\n'
NFTABLES, IPTABLES = '{"mode": "nftables"}', '{"mode": "iptables"}'


@pytest.fixture
def machine(tmp_path: Path) -> ScratchMachine:
    found = ScratchMachine(tmp_path)
    (found.sysroot / "tables").mkdir()
    (found.sysroot / "refusing").write_text("accepted: refuse all\n")
    (found.root / "cfg").mkdir(parents=True)
    (found.root / "cfg/kube-proxy.json").write_text(NFTABLES)
    (found.root / "bin").mkdir()
    found.program("crictl", "[ $1 != ps ] || echo 1a2b\n", at=found.root / "bin")
    found.program("nft", NFT)
    found.program("systemctl")
    found.program("sleep", "exec /bin/sleep 0.05\n")
    return found


def guard(machine: ScratchMachine, tables: dict[str, str], monitor: str, policies: bool = True) -> dict[str, str]:
    """Run the guard until `monitor` ends. Return the tables of the kernel."""
    folder = machine.sysroot / "tables"
    for name, content in tables.items():
        (folder / name).write_text(content)
    (machine.sysroot / "monitor").write_text(monitor)
    words = (TABLE, str(machine.sysroot / "refusing")) if policies else ("-", "-")
    done = machine.run("nftables_guard", *words, "ip:flannel-ipv4")
    assert done.returncode == 0, done.stderr
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_the_last_rules_of_policies_come_back(machine: ScratchMachine) -> None:
    newer = 'echo "accepted, newer" >"$HARDWAY_SYSROOT/tables/inet kube-network-policies"; echo "add table"\n'
    waits = 'until grep -q newer "$HARDWAY_SYSROOT/run/nftables-guard/inet-kube-network-policies"; ' + WAITS
    assert guard(machine, {ENGINE: "accepted\n"}, KEPT + newer + waits + FLUSH) == {ENGINE: "accepted, newer\n"}
    assert not [call for call in machine.calls if call.startswith("crictl")]


def test_without_a_copy_that_nft_accepts_pods_wait_for_the_program(machine: ScratchMachine) -> None:
    assert guard(machine, {ENGINE: "strange\n"}, KEPT + FLUSH) == {ENGINE: "accepted: refuse all\n"}
    assert "crictl stop --timeout 0 1a2b" in machine.calls


def test_policies_that_are_turned_off_stay_off(machine: ScratchMachine) -> None:
    """The unit that begins with rules is not active then."""
    machine.program("systemctl", "exit 3\n")
    assert guard(machine, {ENGINE: "accepted\n"}, KEPT + FLUSH) == {}


def test_rules_that_never_were_do_not_come(machine: ScratchMachine) -> None:
    """Pods ran before policies were turned on: nothing is refused before the program has its first rules."""
    assert guard(machine, {}, LOOKED) == {}


COPIED = 'until [ -e "$HARDWAY_SYSROOT/run/nftables-guard/ip-flannel-ipv4" ]; ' + WAITS


def test_rules_of_the_network_plugin_come_back(machine: ScratchMachine) -> None:
    """Flannel writes its rules when it starts, and never again."""
    assert guard(machine, {PLUGIN: "accepted\n"}, COPIED + FLUSH, policies=False) == {PLUGIN: "accepted\n"}


def test_what_a_program_adds_later_is_copied(machine: ScratchMachine) -> None:
    """Flannel makes its table first, and then chains in the table, which is no event of tables."""
    fills = 'echo accepted >"$HARDWAY_SYSROOT/tables/ip flannel-ipv4"\n'
    waits = 'until grep -q accepted "$HARDWAY_SYSROOT/run/nftables-guard/ip-flannel-ipv4"; ' + WAITS
    assert guard(machine, {PLUGIN: "empty"}, COPIED + fills + waits + FLUSH) == {PLUGIN: "accepted\n"}


def test_rules_of_the_network_plugin_stay_away_in_another_mode(machine: ScratchMachine) -> None:
    (machine.root / "cfg/kube-proxy.json").write_text(IPTABLES)
    assert guard(machine, {PLUGIN: "accepted\n"}, COPIED + FLUSH) == {}


@pytest.mark.parametrize("policies", [True, False])
def test_kube_proxy_writes_lost_rules_again(machine: ScratchMachine, policies: bool) -> None:
    guard(machine, {PROXY: "rules"}, LOOKED + FLUSH + "echo another; echo another\n", policies)
    assert machine.told("restart") == ["kube-proxy.service"]


def test_a_kube_proxy_that_has_no_rules_yet_is_left_alone(machine: ScratchMachine) -> None:
    """It waits for the API, for minutes if all machines start at the same time."""
    guard(machine, {}, LOOKED)
    assert machine.told("restart") == []


@pytest.mark.parametrize(("config", "is_active"), [(IPTABLES, "0"), (NFTABLES, "3")], ids=["another mode", "stopped"])
def test_who_took_the_rules_away_on_purpose_meets_nobody(machine: ScratchMachine, config: str, is_active: str) -> None:
    (machine.root / "cfg/kube-proxy.json").write_text(config)
    machine.program("systemctl", f"exit {is_active}\n")
    guard(machine, {PROXY: "rules"}, LOOKED + FLUSH)
    assert machine.told("restart") == []


def part_of(change: dict[str, object], name: str = "stacked", node: str = "worker-1") -> NodePart:
    return cluster(name, change).part(node)


@pytest.mark.parametrize("name", NAMES)
def test_every_node_with_a_kubelet_has_the_guard(name: str) -> None:
    made = cluster(name, {"network.proxyMode": "nftables", "network.policies": "enforced"})
    for node in made.topology.nodes:
        units = {unit.name: unit.text for unit in made.part(node.name).units}
        assert ("nftables-guard.service" in units) == node.runs_kubelet
        if node.runs_kubelet:
            text = units["nftables-guard.service"]
            assert f"nftables-guard.sh {TABLE} /opt/kubernetes/cfg/network-policies.nft ip:flannel-ipv4 " in text
            assert "After=network-online.target network-policies.service\n" in text


@pytest.mark.parametrize(
    ("mode", "policies", "wanted"),
    [
        ("nftables", "none", "cfg/nftables-guard.sh - - ip:flannel-ipv4 ip6:flannel-ipv4 "),
        ("iptables", "enforced", f"cfg/nftables-guard.sh {TABLE} "),
        ("ipvs", "none", None),
    ],
)
def test_a_node_has_the_guard_for_what_it_has(mode: str, policies: str, wanted: str | None) -> None:
    part = part_of({"network.proxyMode": mode, "network.policies": policies})
    found = [unit for unit in part.units if unit.name == "nftables-guard.service"]
    assert [wanted in unit.text for unit in found if wanted] == ([True] if wanted else [])
    assert ("cfg/nftables-guard.sh" in {file.path for file in part.files}) == bool(wanted)
