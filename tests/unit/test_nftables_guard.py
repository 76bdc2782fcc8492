"""nftables_guard.sh: what something else has flushed comes back, and what the program has removed does not."""

from pathlib import Path

import pytest
from clusters import NAMES, cluster
from scratch_machine import ScratchMachine

from components.network_policies.names import QUEUE, TABLE

ENGINE, PROXY, PLUGIN = f"inet {TABLE}", "ip kube-proxy", "ip flannel-ipv4"
# One file is a table of the kernel. `monitor` does what the test says, and prints a line if a table has come or gone.
NFT = """\
cd "$HARDWAY_SYSROOT/tables"
case "$1 $2" in
"list tables") ls | sed "s/^/table /" ;;
"list table") cat "$3 $4" ;;
"monitor tables") . "$HARDWAY_SYSROOT/monitor" ;;
-f*)
    ! grep -q strange "$2" || exit 1
    name=$(sed -n 's/^table \\(.*\\) {$/\\1/p' "$2")
    [ -z "$name" ] || cp "$2" "$name"
    ;;
esac
"""
WAITS = "do /bin/sleep 0.02; done\n"
FLUSH = 'rm -f "$HARDWAY_SYSROOT"/tables/*; echo "delete table"\n'
LOOKED = 'n=$(grep -c "list tables" "$CALLS"); until [ "$(grep -c "list tables" "$CALLS")" -ge $((n + 2)) ]; ' + WAITS
"""Two looks have begun since, so one of them is over."""
NFTABLES, IPTABLES = '{"mode": "nftables"}', '{"mode": "iptables"}'
SYSTEMCTL = "[ $1 != is-active ] || echo {}\n"


def rules(table: str, rule: str) -> str:
    """A table as nft prints it."""
    return f"table {table} {{\n\tchain c {{\n\t\t{rule}\n\t}}\n}}\n"


def known(table: str, word: str = "") -> str:
    """Wait until the guard has a copy of a table with a word."""
    return f'until grep -qs "{word}" "$HARDWAY_SYSROOT/run/nftables-guard/{table.replace(" ", "-")}"; {WAITS}'


def write(path: str, text: str) -> str:
    """Write a file of the machine."""
    return f"cat >\"$HARDWAY_SYSROOT/{path}\" <<'X'\n{text}X\n"


REFUSING = rules(ENGINE, "drop")


@pytest.fixture
def machine(tmp_path: Path) -> ScratchMachine:
    found = ScratchMachine(tmp_path)
    (found.sysroot / "tables").mkdir()
    (found.sysroot / "refusing").write_text(REFUSING)
    (found.sysroot / "proc/net/netfilter").mkdir(parents=True)
    (found.sysroot / "proc/net/netfilter/nfnetlink_queue").write_text(f"   {QUEUE}  31044     0 2   128\n")
    (found.sysroot / "run/netns").mkdir()
    (found.sysroot / "run/netns/cni-1234").touch()
    (found.root / "cfg").mkdir(parents=True)
    (found.root / "cfg/kube-proxy.json").write_text(NFTABLES)
    found.program("crictl", "[ $1 != ps ] || echo 1a2b\n", at=found.root / "bin")
    found.program("nft", NFT)
    found.program("systemctl", SYSTEMCTL.format("active"))
    found.program("sleep", "exec /bin/sleep 0.05\n")
    return found


def guard(machine: ScratchMachine, tables: dict[str, str], monitor: str, policies: bool = True) -> dict[str, str]:
    """Run the guard until `monitor` ends. Return the tables of the kernel."""
    folder = machine.sysroot / "tables"
    for name, content in tables.items():
        (folder / name).write_text(content)
    (machine.sysroot / "monitor").write_text(monitor)
    words = (TABLE, str(QUEUE), str(machine.sysroot / "refusing")) if policies else ("-", "-", "-")
    done = machine.run("nftables_guard", *words, "ip:flannel-ipv4")
    assert done.returncode == 0, done.stderr
    return {path.name: path.read_text() for path in folder.iterdir()}


def stopped(machine: ScratchMachine) -> bool:
    """Whether the container of the program was stopped, so that the kubelet starts it again."""
    return "crictl stop --timeout 0 1a2b" in machine.calls


# --- network policies ---------------------------------------------------------------------------------------------


def test_the_last_rules_of_policies_come_back(machine: ScratchMachine) -> None:
    old, new = rules(ENGINE, "queue"), rules(ENGINE, "queue newer")
    changes = known(ENGINE) + write(f"tables/{ENGINE}", new) + "echo add\n" + known(ENGINE, "newer")
    assert guard(machine, {ENGINE: old}, changes + FLUSH) == {ENGINE: new}
    assert not stopped(machine)


def test_without_a_copy_that_nft_accepts_pods_wait_for_the_program(machine: ScratchMachine) -> None:
    assert guard(machine, {ENGINE: rules(ENGINE, "strange")}, known(ENGINE) + FLUSH) == {ENGINE: REFUSING}
    assert stopped(machine)


def test_a_copy_that_makes_no_table_is_none(machine: ScratchMachine) -> None:
    empty = known(ENGINE) + write(f"run/nftables-guard/inet-{TABLE}", "\n")
    assert guard(machine, {ENGINE: rules(ENGINE, "queue")}, empty + FLUSH) == {ENGINE: REFUSING}


def test_half_a_table_is_no_copy(machine: ScratchMachine) -> None:
    """The file system is full, and nft ends as if all were well."""
    whole = rules(ENGINE, "queue")
    cut = known(ENGINE) + write(f"tables/{ENGINE}", whole.removesuffix("}\n")) + LOOKED
    assert guard(machine, {ENGINE: whole}, cut + FLUSH) == {ENGINE: whole}


def test_a_program_that_cannot_read_its_queue_is_started_again(machine: ScratchMachine) -> None:
    """The program has taken its rules away, and goes on. Its rules alone would look as if it enforced policies."""
    unread = known(ENGINE) + write("proc/net/netfilter/nfnetlink_queue", f"  1{QUEUE}  31044\n")
    assert guard(machine, {ENGINE: rules(ENGINE, "queue")}, unread + FLUSH) == {ENGINE: REFUSING}
    assert stopped(machine)


def test_policies_that_are_turned_off_stay_off(machine: ScratchMachine) -> None:
    machine.program("systemctl", SYSTEMCTL.format("inactive"))
    assert guard(machine, {ENGINE: rules(ENGINE, "queue")}, known(ENGINE) + FLUSH + LOOKED) == {}
    assert not (machine.sysroot / f"run/nftables-guard/inet-{TABLE}").exists(), "an old copy would come back later"


def test_without_an_answer_of_systemd_nothing_is_forgotten(machine: ScratchMachine) -> None:
    """The unit is being stopped, or systemd is busy."""
    machine.program("systemctl", SYSTEMCTL.format("deactivating"))
    back = write("../programs/systemctl", "#!/bin/sh\n" + SYSTEMCTL.format("active")) + LOOKED
    assert guard(machine, {ENGINE: rules(ENGINE, "queue")}, known(ENGINE) + FLUSH + LOOKED + back) == {
        ENGINE: rules(ENGINE, "queue")
    }


def test_rules_that_never_were_do_not_come(machine: ScratchMachine) -> None:
    """Pods ran before policies were turned on: nothing is refused before the program has its first rules."""
    assert guard(machine, {}, LOOKED) == {}


def test_a_node_without_pods_begins_closed_although_something_flushed_its_first_rules(machine: ScratchMachine) -> None:
    (machine.sysroot / "run/netns/cni-1234").unlink()
    assert guard(machine, {}, LOOKED) == {ENGINE: REFUSING}


def test_copies_of_policies_end_with_the_policies(machine: ScratchMachine) -> None:
    (machine.sysroot / "run/nftables-guard").mkdir()
    copy = machine.sysroot / f"run/nftables-guard/inet-{TABLE}"
    copy.write_text(rules(ENGINE, "queue"))
    guard(machine, {}, LOOKED, policies=False)
    assert not copy.exists()


# --- the network plugin -------------------------------------------------------------------------------------------


def test_rules_of_the_network_plugin_come_back(machine: ScratchMachine) -> None:
    """Flannel writes its rules when it starts, and never again."""
    tables = {PLUGIN: rules(PLUGIN, "masquerade")}
    assert guard(machine, tables, known(PLUGIN) + FLUSH, policies=False) == tables


def test_what_a_program_adds_later_is_copied(machine: ScratchMachine) -> None:
    """Flannel makes its table first, and then chains in the table, which are no events of tables."""
    full = rules(PLUGIN, "masquerade")
    fills = LOOKED + write(f"tables/{PLUGIN}", full) + known(PLUGIN, "masquerade")
    assert guard(machine, {PLUGIN: f"table {PLUGIN} {{\n}}\n"}, fills + FLUSH) == {PLUGIN: full}


def test_rules_of_the_network_plugin_stay_away_in_another_mode(machine: ScratchMachine) -> None:
    """And do not come back with the mode: flannel makes them anew."""
    there, back = (write("opt/kubernetes/cfg/kube-proxy.json", mode) for mode in (IPTABLES + "\n", NFTABLES + "\n"))
    changes = known(PLUGIN) + there + FLUSH + LOOKED + back + LOOKED
    assert guard(machine, {PLUGIN: rules(PLUGIN, "masquerade"), PROXY: rules(PROXY, "x")}, changes) == {}
    assert machine.told("try-restart") == []


# --- kube-proxy ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policies", [True, False])
def test_kube_proxy_writes_lost_rules_again(machine: ScratchMachine, policies: bool) -> None:
    guard(machine, {PROXY: rules(PROXY, "x")}, LOOKED + FLUSH + LOOKED, policies)
    assert [call for call in machine.calls if "restart" in call] == [
        "systemctl try-restart --no-block kube-proxy.service"
    ]


def test_a_restart_that_fails_is_tried_again(machine: ScratchMachine) -> None:
    machine.program("systemctl", "exit 1\n")
    guard(machine, {PROXY: rules(PROXY, "x")}, LOOKED + FLUSH + LOOKED)
    assert len([call for call in machine.calls if "try-restart" in call]) > 1


def test_a_kube_proxy_that_has_no_rules_yet_is_left_alone(machine: ScratchMachine) -> None:
    """It waits for the API, for minutes if all machines start at the same time."""
    guard(machine, {}, LOOKED)
    assert machine.told("try-restart") == []


# --- which nodes have it ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_node_with_a_kubelet_has_the_guard(name: str) -> None:
    made = cluster(name, {"network.proxyMode": "nftables", "network.policies": "enforced"})
    for node in made.topology.nodes:
        units = {unit.name: unit.text for unit in made.part(node.name).units}
        assert ("nftables-guard.service" in units) == node.runs_kubelet
        if node.runs_kubelet:
            text = units["nftables-guard.service"]
            assert (
                f"nftables-guard.sh {TABLE} {QUEUE} /opt/kubernetes/cfg/network-policies.nft ip:flannel-ipv4 " in text
            )


@pytest.mark.parametrize(
    ("mode", "policies", "wanted"),
    [
        ("nftables", "none", "cfg/nftables-guard.sh - - - ip:flannel-ipv4 ip6:flannel-ipv4 "),
        ("iptables", "enforced", f"cfg/nftables-guard.sh {TABLE} "),
        ("ipvs", "none", None),
    ],
)
def test_a_node_has_the_guard_for_what_it_has(mode: str, policies: str, wanted: str | None) -> None:
    part = cluster("stacked", {"network.proxyMode": mode, "network.policies": policies}).part("worker-1")
    found = [unit for unit in part.units if unit.name == "nftables-guard.service"]
    assert [wanted in unit.text for unit in found if wanted] == ([True] if wanted else [])
    assert ("cfg/nftables-guard.sh" in {file.path for file in part.files}) == bool(wanted)
