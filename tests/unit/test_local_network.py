"""The local network of a stack: subnet, ports and host numbers, kept over runs."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from clusters import cluster

from components.config import ConfigError, load
from components.machines import local_network
from components.machines.local_network import LocalNetwork, LocalNetworkError, choose, keep
from components.topology import MachineNetwork, plan

NODES = ("cp-1", "cp-2", "worker-1")
LAST_PORT = local_network._FIRST_PORT + local_network._SLOTS * local_network._PORTS - 1


def reserved(
    folder: Path, *nodes: str, stack: str = "dev", subnet: str | None = None, base: int | None = None
) -> LocalNetwork:
    """The local network of a stack whose state is in a folder."""
    return keep(folder, choose(folder, stack, "demo", dict.fromkeys(nodes or NODES), subnet, base))


@contextmanager
def listening(port: int) -> Iterator[None]:
    """Another process has a port."""
    with socket.create_server(("127.0.0.1", port)):
        yield


@pytest.fixture
def same_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every clone tries the same slot first, whatever networks this host has."""
    digest = SimpleNamespace(hexdigest=lambda: "0" * 64)
    monkeypatch.setattr(local_network, "hashlib", SimpleNamespace(sha256=lambda _: digest))
    monkeypatch.setattr(local_network, "_is_routed", lambda _: False)


def test_a_local_network_is_kept(tmp_path: Path) -> None:
    first = reserved(tmp_path / "dev")
    assert reserved(tmp_path / "dev") == first
    assert LocalNetwork(**json.loads((tmp_path / "dev/lab.json").read_text())) == first
    with listening(first.port_base):
        assert reserved(tmp_path / "dev") == first, "ports that the stack itself uses count as taken"


def test_the_file_is_not_written_if_nothing_changes(tmp_path: Path) -> None:
    reserved(tmp_path)
    before = (tmp_path / "lab.json").stat()
    reserved(tmp_path)
    assert (tmp_path / "lab.json").stat().st_mtime_ns == before.st_mtime_ns


def test_a_choice_alone_moves_nothing(tmp_path: Path) -> None:
    """A page with another subnet is refused after the choice. The page of before has to find its network again."""
    first = reserved(tmp_path)
    other = choose(tmp_path, "dev", "demo", dict.fromkeys(NODES), "10.77.0.0/24", 21000)
    assert (other.subnet, other.port_base) == ("10.77.0.0/24", 21000)
    assert choose(tmp_path, "dev", "demo", dict.fromkeys(NODES)) == first


def test_addresses_and_ports(tmp_path: Path) -> None:
    made = reserved(tmp_path, subnet="10.89.3.0/24", base=20000)
    assert made.name.startswith("demo-")
    assert made.gateway == "10.89.3.2"
    assert made.hosts == {"cp-1": 11, "cp-2": 12, "worker-1": 13}
    assert [made.ssh_port(node) for node in NODES] == [20001, 20002, 20003]


def test_two_clones_do_not_conflict(tmp_path: Path) -> None:
    """The same stack in two clones, and two stacks in one clone."""
    networks = [reserved(tmp_path / clone / stack, stack=stack) for clone in ("a", "b") for stack in ("dev", "test")]
    assert len({made.name for made in networks}) == 4


@pytest.mark.usefixtures("same_slot")
def test_a_taken_port_is_skipped(tmp_path: Path) -> None:
    first = reserved(tmp_path / "a")
    assert reserved(tmp_path / "c").port_base == first.port_base
    with listening(first.port_base):
        second = reserved(tmp_path / "b")
    assert (second.port_base, second.subnet) != (first.port_base, first.subnet)
    assert abs(second.port_base - first.port_base) >= local_network._PORTS


@pytest.mark.usefixtures("same_slot")
def test_a_taken_port_of_a_machine_is_skipped(tmp_path: Path) -> None:
    first = reserved(tmp_path / "a")
    with listening(first.ssh_port(NODES[-1])):
        assert reserved(tmp_path / "b").port_base != first.port_base


def test_every_slot_has_ports() -> None:
    assert LAST_PORT <= local_network._LAST_PORT <= 65535
    assert local_network.LAST_HOST - local_network.FIRST_HOST + 1 < local_network._PORTS


@pytest.mark.usefixtures("same_slot")
def test_a_subnet_with_a_route_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = reserved(tmp_path / "a")
    monkeypatch.setattr(local_network, "_is_routed", lambda subnet: subnet == first.subnet)
    assert reserved(tmp_path / "b").subnet != first.subnet


def test_routes_of_this_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT",
        "eth0 00000000 0100A8C0 0003 0 0 0 00000000 0 0 0",
        "br0 0003590A 00000000 0001 0 0 0 00FFFFFF 0 0 0",
        "br1 0000640A 00000000 0001 0 0 0 0000FFFF 0 0 0",
    ]
    table = tmp_path / "route"
    table.write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(local_network, "Path", lambda _: table)
    assert local_network._is_routed("10.89.3.0/24")
    assert local_network._is_routed("10.100.7.0/24"), "a wider route leads there too"
    assert not local_network._is_routed("10.89.4.0/24"), "the default route leads everywhere"
    table.unlink()
    assert not local_network._is_routed("10.89.3.0/24"), "a host without this table"


@pytest.mark.usefixtures("same_slot")
def test_nothing_free_is_an_error_that_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_network, "is_free", lambda _: False)
    with pytest.raises(LocalNetworkError, match=r"set hardway:machines\.subnet and \.portBase"):
        reserved(tmp_path)
    assert not (tmp_path / "lab.json").exists()


def test_removing_a_node_does_not_change_the_others(tmp_path: Path) -> None:
    before = reserved(tmp_path, "cp-1", "cp-2", "cp-3", "worker-1").hosts
    after = reserved(tmp_path, "cp-1", "cp-3", "worker-1").hosts
    assert after == {name: before[name] for name in ("cp-1", "cp-3", "worker-1")}


def test_a_new_node_gets_a_free_number_and_changes_no_other(tmp_path: Path) -> None:
    before = reserved(tmp_path, "cp-1", "cp-2", "cp-3").hosts
    reserved(tmp_path, "cp-1", "cp-3")
    after = reserved(tmp_path, "new", "cp-3", "cp-1", "other").hosts
    assert {name: after[name] for name in ("cp-1", "cp-3")} == {name: before[name] for name in ("cp-1", "cp-3")}
    assert len(set(after.values())) == 4
    assert min(after.values()) >= local_network.FIRST_HOST


def test_a_new_node_does_not_get_the_number_of_a_machine_that_the_same_edit_removes(tmp_path: Path) -> None:
    before = reserved(tmp_path, "cp-1", "worker-1", "worker-2").hosts
    subnet = reserved(tmp_path, "cp-1", "worker-1", "worker-2").subnet
    moved = f"{subnet.rpartition('.')[0]}.61"
    after = choose(tmp_path, "dev", "demo", {"cp-1": None, "worker-1": moved, "worker-9": None}).hosts
    assert after["worker-9"] not in before.values()
    # All numbers are free, or had by a node that is gone.
    full = [f"n{number}" for number in range(local_network.LAST_HOST - local_network.FIRST_HOST + 1)]
    assert len(set(reserved(tmp_path, *full).hosts.values())) == len(full)


def test_the_page_wins(tmp_path: Path) -> None:
    chosen = reserved(tmp_path)
    moved = reserved(tmp_path, subnet="192.168.77.0/24", base=30000)
    assert (moved.subnet, moved.port_base) == ("192.168.77.0/24", 30000)
    assert (moved.name, moved.hosts) == (chosen.name, chosen.hosts)
    with listening(30000):
        assert reserved(tmp_path / "new", subnet="192.168.77.0/24", base=30000).port_base == 30000


def test_ports_are_chosen_if_the_page_sets_the_subnet_only(tmp_path: Path) -> None:
    made = reserved(tmp_path, subnet="192.168.77.0/24")
    assert (made.subnet, made.gateway) == ("192.168.77.0/24", "192.168.77.2")
    assert made.port_base > 0


def test_chosen_numbers_avoid_the_addresses_of_the_page(tmp_path: Path) -> None:
    nodes = [{"name": "a", "roles": ["etcd", "control-plane", "worker"]}]
    nodes += [{"name": "b", "roles": ["worker"], "address": f"192.168.10.{local_network.FIRST_HOST}"}]
    page = load({"cluster": {"name": "demo"}, "machines": {"subnet": "192.168.10.0/24"}, "nodes": nodes})
    made = choose(tmp_path, "dev", "demo", {n.name: n.address for n in page.nodes}, "192.168.10.0/24", 20000)
    try:
        topology = plan(page, MachineNetwork(made.subnet, made.hosts), ("127.0.0.1", 20000))
    except ConfigError as error:
        pytest.fail(str(error))
    assert topology.node("a").address != topology.node("b").address


def test_the_rules_of_the_page_know_the_host_numbers() -> None:
    from components.config.rules import network

    assert network.GATEWAY == local_network.GATEWAY_HOST
    assert local_network.FIRST_HOST > local_network.GATEWAY_HOST
    assert len(cluster("stacked").topology.nodes) < local_network.LAST_HOST - local_network.FIRST_HOST


def test_an_address_outside_the_host_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalNetworkError, match=r"192\.168\.10\.200 .*; allowed: hosts 11 to 72 of 192\.168\.10\.0/24"):
        choose(tmp_path, "dev", "demo", {"a": "192.168.10.200"}, "192.168.10.0/24", 20000)


def test_a_local_network_has_room_for_62_nodes(tmp_path: Path) -> None:
    nodes = [f"n{number}" for number in range(local_network.LAST_HOST - local_network.FIRST_HOST + 2)]
    with pytest.raises(LocalNetworkError, match=r"hardway:nodes: 63 nodes; a local network has room for 62"):
        reserved(tmp_path, *nodes)
