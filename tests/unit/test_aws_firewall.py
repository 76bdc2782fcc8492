"""The table of security groups: what is open, and that nothing else is."""

import pytest
from conftest import changed, page_values

from components.config import load
from components.config.aws import AwsSection
from components.config.aws_places import place_nodes
from components.machines.aws.firewall import Rule, groups, groups_of, rules
from components.topology import plan


def table(change: dict[str, object] | None = None) -> set[str]:
    """Every rule as a line: other end, group, protocol and ports."""
    page = load(changed(page_values("aws"), change or {}))
    assert isinstance(page.machines, AwsSection)
    known = groups(page.machines)
    found = rules(page, page.machines)
    for rule in found:
        assert rule.group in known
        assert rule.from_network or rule.other in known
    assert len({rule.name for rule in found}) == len(found)
    return {line(rule) for rule in found}


def line(rule: Rule) -> str:
    one, other = (rule.group, rule.other) if rule.outgoing else (rule.other, rule.group)
    ports = (
        ""
        if rule.protocol == "-1"
        else f" {rule.protocol} {rule.first}" + (f"-{rule.last}" if rule.last != rule.first else "")
    )
    return f"{one} > {other}{ports}{' (out)' if rule.outgoing else ''}"


USUAL = {
    "203.0.113.0/24 > balancer tcp 6443",
    "balancer > control-plane tcp 6443 (out)",
    "198.51.100.7/32 > bastion tcp 22",
    "bastion > machine tcp 22 (out)",
    "bastion > machine tcp 22",
    "bastion > 0.0.0.0/0 tcp 80 (out)",
    "bastion > 0.0.0.0/0 tcp 443 (out)",
    "machine > machine icmp 3-4",
    "machine > 0.0.0.0/0 (out)",
    "control-plane > etcd tcp 2379",
    "control-plane > etcd tcp 2381",
    "etcd > etcd tcp 2379",
    "etcd > etcd tcp 2380",
    "balancer > control-plane tcp 6443",
    "node > control-plane tcp 6443",
    "node > node tcp 10250",
    "node > node udp 8472",
}


def test_the_usual_rules() -> None:
    assert table() == USUAL


CHANGES: dict[str, tuple[dict[str, object], set[str], set[str]]] = {
    # change, rules that come, rules that go
    "another port of the API": (
        {"api.port": 7443},
        {line.replace("6443", "7443") for line in USUAL if "6443" in line},
        {line for line in USUAL if "6443" in line},
    ),
    "an internal endpoint": (
        {"machines.endpoint": {"public": False}},
        {"machine > balancer tcp 6443"},
        {"203.0.113.0/24 > balancer tcp 6443"},
    ),
    "no bastion": (
        {"machines.bastion": None, "machines.sshClients": ["10.1.0.0/16"]},
        {"10.1.0.0/16 > machine tcp 22"},
        {line for line in USUAL if "bastion" in line},
    ),
    "another port of the bastion": (
        {"machines.bastion.port": 443},
        {"198.51.100.7/32 > bastion tcp 443"},
        {"198.51.100.7/32 > bastion tcp 22"},
    ),
    "node ports": (
        {"machines.nodePortClients": ["10.2.0.0/16"], "network.nodePortRange": "30000-30010"},
        {f"10.2.0.0/16 > node {protocol} 30000-30010" for protocol in ("tcp", "udp")},
        set(),
    ),
    "another port of VXLAN": (
        {"network.flannel": {"port": 4789}},
        {"node > node udp 4789"},
        {"node > node udp 8472"},
    ),
    "pods without a tunnel": (
        {
            "network.flannel": {"backend": "host-gw"},
            "machines.network.zones": ["a"],
            "nodes[2].address": None,
        },
        {
            f"{other} > node {protocol}"
            for other in ("node", "10.244.0.0/16")
            for protocol in ("tcp 0-65535", "udp 0-65535", "132 -1", "icmp -1")
        },
        {"node > node udp 8472"},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_change_of_the_page_opens_and_closes(name: str) -> None:
    change, come, go = CHANGES[name]
    assert table(change) == (USUAL - go) | come


@pytest.mark.parametrize("name", CHANGES)
def test_nothing_is_open_to_the_world(name: str) -> None:
    for found in (table(), table(CHANGES[name][0])):
        assert not [rule for rule in found if rule.startswith("0.0.0.0/0")]


@pytest.mark.parametrize("name", CHANGES)
def test_no_rule_lets_every_protocol_in(name: str) -> None:
    page = load(changed(page_values("aws"), CHANGES[name][0]))
    assert isinstance(page.machines, AwsSection)
    assert [rule.name for rule in rules(page, page.machines) if rule.protocol == "-1" and not rule.outgoing] == []


def test_the_api_is_open_to_the_world_only_when_the_page_says_so() -> None:
    found = table({"machines.endpoint": {"public": True, "clients": ["0.0.0.0/0"]}})
    assert [rule for rule in found if rule.startswith("0.0.0.0/0")] == ["0.0.0.0/0 > balancer tcp 6443"]


def test_a_machine_is_in_the_groups_of_what_runs_on_it() -> None:
    values = page_values("aws")
    values["nodes"][3:] = [
        {"name": "cp-4", "roles": ["control-plane"]},
        {"name": "worker-1", "roles": ["worker"]},
    ]
    values["nodes"][0]["roles"] = ["etcd"]
    page = load(values)
    assert isinstance(page.machines, AwsSection)
    addresses = {name: place.address for name, place in place_nodes(page.machines, page.nodes).items()}
    found = plan(page, None, ("api.example.com", 6443), addresses=addresses)
    assert {node.name: groups_of(node) for node in found.nodes} == {
        "cp-1": ["machine", "etcd"],
        "cp-2": ["machine", "etcd", "control-plane", "node"],
        "cp-3": ["machine", "etcd", "control-plane", "node"],
        "cp-4": ["machine", "control-plane", "node"],
        "worker-1": ["machine", "node"],
    }
