"""network_policies.sh, and what the option adds to a node: nothing opens before the engine, nothing stays after it."""

import subprocess
from pathlib import Path

import pytest
from clusters import NAMES, cluster
from scratch_machine import ScratchMachine

from components.config.existing import ExistingSection
from components.machines.needs import needs_of
from components.network_policies.names import QUEUE, TABLE
from components.network_policies.node import rules
from components.node.model import Unit

ON = {"network.policies": "enforced"}
QUEUES = "proc/net/netfilter/nfnetlink_queue"
READ = f"   {QUEUE}  31044     0 2   128     0     0     0000  1\n"
OTHER = f"  1{QUEUE}  31044     0 2   128     0     0     0098  1\n"
# One file is the table of the kernel.
NFT = """\
case "$1 $2" in
"list table") test -e "$HARDWAY_SYSROOT/table" ;;
"delete table") rm "$HARDWAY_SYSROOT/table" ;;
-f*) cp "$2" "$HARDWAY_SYSROOT/table" ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> ScratchMachine:
    found = ScratchMachine(tmp_path)
    (found.sysroot / QUEUES).parent.mkdir(parents=True)
    (found.sysroot / QUEUES).write_text(OTHER)
    (found.sysroot / "rules.nft").write_text("rules\n")
    found.program("nft", NFT)
    found.program("systemctl", "echo running\n")
    found.program("systemd-run")
    return found


def begin(machine: ScratchMachine) -> "subprocess.CompletedProcess[str]":
    return machine.run("network_policies", "begin", TABLE, str(machine.sysroot / "rules.nft"))


def end(machine: ScratchMachine) -> "subprocess.CompletedProcess[str]":
    return machine.run("network_policies", "end", TABLE, str(QUEUE))


def table(machine: ScratchMachine) -> str | None:
    """The table of the kernel."""
    path = machine.sysroot / "table"
    return path.read_text() if path.exists() else None


def test_a_node_begins_with_rules_that_refuse(machine: ScratchMachine) -> None:
    assert begin(machine).returncode == 0
    assert table(machine) == "rules\n"
    # What an earlier `end` has put off would delete the table of now.
    assert "systemctl stop network-policies-end.service" in machine.calls


def test_the_rules_of_the_engine_stay(machine: ScratchMachine) -> None:
    (machine.sysroot / "table").write_text("of the engine\n")
    assert begin(machine).returncode == 0
    assert table(machine) == "of the engine\n"


def test_pods_that_run_keep_their_connections(machine: ScratchMachine) -> None:
    """The option is turned on for a running cluster: its pods wait for nothing."""
    (machine.sysroot / "run/netns").mkdir()
    (machine.sysroot / "run/netns/cni-1234").touch()
    assert begin(machine).returncode == 0
    assert table(machine) is None


def test_without_a_reader_the_table_goes_at_once(machine: ScratchMachine) -> None:
    (machine.sysroot / "table").write_text("of the engine\n")
    assert end(machine).returncode == 0
    assert table(machine) is None
    assert end(machine).returncode == 0, "and a second time"
    assert not [call for call in machine.calls if call.startswith("systemd-run")]


def test_with_a_reader_the_end_is_put_off(machine: ScratchMachine) -> None:
    """The engine runs until the API has deleted it, and would make the table again."""
    (machine.sysroot / "table").write_text("of the engine\n")
    (machine.sysroot / QUEUES).write_text(OTHER + READ)
    assert end(machine).returncode == 0
    assert table(machine) == "of the engine\n"
    (call,) = [call for call in machine.calls if call.startswith("systemd-run")]
    copy = machine.sysroot / "run/network-policies-end.sh"
    assert call.endswith(f"/bin/sh {copy} wait {TABLE} {QUEUE}") and copy.exists()


def test_the_end_comes_when_nobody_has_read_for_a_while(machine: ScratchMachine) -> None:
    """A restart of the engine is no end."""
    (machine.sysroot / "table").write_text("of the engine\n")
    (machine.sysroot / QUEUES).write_text(READ)
    # A second passes for each call; the engine restarts after 5 and ends after 20.
    machine.program(
        "sleep",
        'count=$(grep -c ^sleep "$CALLS"); file=$HARDWAY_SYSROOT/' + QUEUES + "\n"
        'case $count in 5) : >"$file" ;; 10) echo " 98 x" >"$file" ;; 20) : >"$file" ;; esac\n',
    )
    assert machine.run("network_policies", "wait", TABLE, str(QUEUE)).returncode == 0
    assert table(machine) is None
    assert len([call for call in machine.calls if call.startswith("sleep")]) == 20 + 29


def test_a_machine_that_stops_deletes_nothing(machine: ScratchMachine) -> None:
    """Pods may still run then."""
    (machine.sysroot / "table").write_text("of the engine\n")
    machine.program("systemctl", "echo stopping\n")
    assert end(machine).returncode == 0
    assert table(machine) == "of the engine\n"


@pytest.mark.parametrize("name", [*NAMES, "existing"])
def test_every_node_with_a_kubelet_has_the_unit_before_its_kubelet(name: str) -> None:
    made = cluster(name, ON)
    for node in made.topology.nodes:
        units = [unit.name for unit in made.part(node.name).units]
        assert ("network-policies.service" in units) == node.runs_kubelet
        if node.runs_kubelet:
            # An activation starts units in this order, and a boot in the order of their texts.
            assert units.index("network-policies.service") < units.index("kubelet.service")
            assert "\nBefore=kubelet.service\n" in unit_of(name, node.name).text


def test_without_the_option_a_release_has_the_same_digest() -> None:
    before, off = cluster("stacked"), cluster("stacked", {"network.policies": "none"})
    for node in before.topology.nodes:
        assert before.release(node.name).digest == off.release(node.name).digest
        assert before.release(node.name).digest != cluster("stacked", ON).release(node.name).digest


def unit_of(name: str, node: str) -> Unit:
    return next(u for u in cluster(name, ON).part(node).units if u.name == "network-policies.service")


def test_a_host_loads_the_modules_and_a_container_cannot() -> None:
    assert "modprobe -a nfnetlink_queue nft_queue" in unit_of("dedicated_etcd", "worker-2").text
    assert "modprobe" not in unit_of("stacked", "worker-1").text


@pytest.mark.parametrize(("containers", "wanted"), [(False, {"nfnetlink_queue", "nft_queue"}), (True, set())])
def test_preflight_asks_a_host_for_the_modules_and_the_port(containers: bool, wanted: set[str]) -> None:
    found, plain = (
        cluster("existing", {"machines.containers": containers, "machines.swap": "refuse", **change})
        for change in (ON, {})
    )
    hosts = found.page.machines
    assert isinstance(hosts, ExistingSection)
    node = next(node for node in found.topology.nodes if node.runs_kubelet)
    needs, before = (needs_of(one.page, hosts, one.topology, node) for one in (found, plain))
    assert set(needs["MODULES"].split()) - set(before["MODULES"].split()) == wanted
    assert set(needs["PORTS"].split()) - set(before["PORTS"].split()) == {"10251:kubelet.service"}
    assert "nft" in needs["COMMANDS"].split()


def test_the_first_rules_let_the_node_itself_pass() -> None:
    """Probes of the kubelet and host programs do not cross the hook forward."""
    text = rules("10.244.0.0/16")
    assert f"table inet {TABLE} {{" in text and "hook forward" in text
    assert "hook output" not in text and "hook postrouting" not in text


def test_the_kernel_takes_the_first_rules(tmp_path: Path) -> None:
    """In a network namespace of its own, where this host allows one."""
    path = tmp_path / "rules.nft"
    path.write_text(rules("10.244.0.0/16"))
    script = f"nft -f {path} && nft list table inet {TABLE}"
    done = subprocess.run(["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, check=False)
    if "Operation not permitted" in done.stderr or "not found" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    assert "ip saddr 10.244.0.0/16 drop" in done.stdout and "ip daddr 10.244.0.0/16 drop" in done.stdout
