"""Places of machines in AWS, from the page alone. Added or removed nodes move no other node."""

import ipaddress

import pytest
import yaml
from conftest import DATA, Values, changed, page_values

from components.config import ConfigError, Page, load
from components.config.aws import AwsSection
from components.config.aws_places import Place, front_subnets, machine_subnets, place_nodes
from components.machines.aws_site import AwsSite

GIVEN = {
    "id": "vpc-0123456789abcdef0",
    "subnets": [
        {"id": f"subnet-0123456789abcde{zone}0", "zone": zone, "cidr": f"10.81.{i}.0/24"}
        for i, zone in enumerate("abc")
    ],
    "publicSubnets": ["subnet-0123456789abcdef1"],
}


def page_of(values: Values) -> tuple[Page, AwsSection]:
    page = load(values)
    assert isinstance(page.machines, AwsSection)
    return page, page.machines


def places(values: Values) -> dict[str, Place]:
    page, machines = page_of(values)
    return place_nodes(machines, page.nodes)


def test_each_zone_has_a_part_for_machines_and_one_for_what_stands_before_them() -> None:
    _, machines = page_of(page_values("aws"))
    own, front = machine_subnets(machines), front_subnets(machines)
    assert own == {"a": "10.80.0.0/20", "b": "10.80.16.0/20", "c": "10.80.32.0/20"}
    assert list(front) == ["a", "b", "c"]
    networks = [ipaddress.IPv4Network(cidr) for cidr in (*own.values(), *front.values())]
    assert all(network.subnet_of(ipaddress.IPv4Network("10.80.0.0/16")) for network in networks)
    assert not [1 for i, one in enumerate(networks) for other in networks[i + 1 :] if one.overlaps(other)]


def test_six_zones_of_the_smallest_vpc_have_room() -> None:
    _, machines = page_of(
        changed(
            page_values("aws"),
            {"machines.network": {"cidr": "10.80.0.0/20", "zones": list("abcdef")}, "nodes[2].address": None},
        )
    )
    every = {*machine_subnets(machines).values(), *front_subnets(machines).values()}
    assert len(every) == 12
    assert {ipaddress.IPv4Network(cidr).prefixlen for cidr in every} == {24}


def test_the_number_in_a_name_is_its_zone() -> None:
    found = places(page_values("aws"))
    assert {name: place.zone for name, place in found.items()} == {
        "cp-1": "a", "cp-2": "b", "cp-3": "c", "worker-1": "a", "worker-2": "b", "worker-3": "c",
    }  # fmt: skip


def test_an_address_of_the_page_decides_the_zone() -> None:
    found = places(changed(page_values("aws"), {"nodes[3].address": "10.80.40.4"}))
    assert found["worker-1"] == Place("c", "10.80.40.4")


def test_addresses_are_in_their_zones_subnet_and_none_that_aws_keeps() -> None:
    values = page_values("aws")
    values["nodes"] += [{"name": f"more-{index}", "roles": ["worker"]} for index in range(60)]
    _, machines = page_of(values)
    for name, place in places(values).items():
        network = ipaddress.IPv4Network(machine_subnets(machines)[place.zone])
        address = ipaddress.IPv4Address(place.address)
        assert network[3] < address < network.broadcast_address, name


def test_a_node_that_goes_or_comes_moves_no_other() -> None:
    values = page_values("aws")
    before = places(values)
    fewer = {**values, "nodes": [node for node in values["nodes"] if node["name"] != "worker-1"]}
    more = {**values, "nodes": [{"name": "worker-0", "roles": ["worker"]}, *values["nodes"]]}
    assert places(fewer) == {name: place for name, place in before.items() if name != "worker-1"}
    assert {name: place for name, place in places(more).items() if name != "worker-0"} == before


def test_addresses_never_change_from_version_to_version() -> None:
    """Another address replaces the machine: a change of this function would replace every machine of every cluster."""
    assert {name: place.address for name, place in places(page_values("aws")).items()} == {
        "cp-1": "10.80.8.151", "cp-2": "10.80.26.114", "cp-3": "10.80.32.23",
        "worker-1": "10.80.14.248", "worker-2": "10.80.18.224", "worker-3": "10.80.46.169",
    }  # fmt: skip


def test_the_example_is_a_good_page_with_a_machine_of_each_kind_in_each_zone() -> None:
    values = yaml.safe_load((DATA.parents[1] / "Pulumi.aws.yaml").read_text())["config"]
    page, machines = page_of({key.removeprefix("hardway:"): value for key, value in values.items()})
    zones = {name: place.zone for name, place in place_nodes(machines, page.nodes).items()}
    for kind in ("cp", "worker"):
        assert sorted(zone for name, zone in zones.items() if name.startswith(kind)) == ["a", "b", "c"]
    assert machines.protected


def test_given_subnets_are_those_of_the_page() -> None:
    found = places(changed(page_values("aws"), {"machines.network": {"vpc": GIVEN}, "nodes[2].address": "10.81.2.9"}))
    assert {place.zone: place.address.rpartition(".")[0] for place in found.values()} == {
        "a": "10.81.0", "b": "10.81.1", "c": "10.81.2",
    }  # fmt: skip


def test_the_topology_has_the_chosen_addresses_and_a_name_that_is_known() -> None:
    page, machines = page_of(page_values("aws"))
    topology = AwsSite(page, machines, "test").topology(page)
    assert {node.name: node.address for node in topology.nodes} == {
        n: p.address for n, p in place_nodes(machines, page.nodes).items()
    }
    assert topology.endpoint_host == "kubernetes.default.svc.cluster.local"
    for node in topology.control_plane_nodes:
        assert topology.endpoint_host in topology.api_sans(node)[0]


def test_two_nodes_with_one_address_are_refused() -> None:
    values = changed(page_values("aws"), {"nodes[5].address": "10.80.14.248"})
    page, machines = page_of(values)
    with pytest.raises(ConfigError, match=r"nodes\[5\].address: '10.80.14.248' is also the address of nodes\[3\]"):
        AwsSite(page, machines, "test").topology(page)
