"""The topology: addresses, roles, names and order of nodes."""

import ipaddress

import pytest
from conftest import changed, page_values

from components.config import ConfigError, load
from components.topology import MachineNetwork, TaintPlan, Topology, plan

ENDPOINT = ("127.0.0.1", 7443)
CONTROL_PLANE = TaintPlan("node-role.kubernetes.io/control-plane", "", "NoSchedule")
LABS = {
    "stacked": MachineNetwork("10.89.3.0/24", {"cp-1": 11, "cp-2": 12, "cp-3": 13, "worker-1": 14, "worker-2": 15}),
    "dedicated_etcd": MachineNetwork("192.168.10.0/24", {}),
    "one_master": MachineNetwork("192.168.10.0/24", {"node3": 13}),
}


def topology(name: str, endpoint: tuple[str, int] = ENDPOINT) -> Topology:
    """The topology of the good page `name`."""
    return plan(load(page_values(name)), LABS[name], endpoint)


@pytest.mark.parametrize("name", LABS)
def test_what_holds_for_every_plan(name: str) -> None:
    page, cluster = load(page_values(name)), topology(name)
    assert [node.name for node in cluster.nodes] == [node.name for node in page.nodes]
    addresses = [ipaddress.IPv4Address(node.address) for node in cluster.nodes]
    assert len(set(addresses)) == len(addresses)
    assert all(address in ipaddress.IPv4Network(str(cluster.subnet)) for address in addresses)
    assert sorted(node.name for node in cluster.roll_order()) == sorted(node.name for node in cluster.nodes)
    assert len(cluster.etcd_client_urls()) == len(cluster.etcd_nodes)
    for node in cluster.nodes:
        assert node.runs_kubelet == (node.is_control_plane or node.is_worker)
        assert (CONTROL_PLANE in node.taints) == (node.is_control_plane and not node.is_worker)
        for names, ips in (cluster.api_sans(node), cluster.etcd_sans(node), cluster.kubelet_sans(node)):
            assert node.name in names
            assert node.address in ips
            assert len(set(names)) == len(names)
            assert len(set(ips)) == len(ips)
        assert len({node, cluster.node(node.name)}) == 1


def test_stacked() -> None:
    cluster = topology("stacked")
    assert [node.address for node in cluster.nodes] == [f"10.89.3.{host}" for host in range(11, 16)]
    assert cluster.etcd_client_urls() == tuple(f"https://10.89.3.{host}:2379" for host in (11, 12, 13))
    assert cluster.control_plane_nodes == cluster.etcd_nodes
    assert cluster.kubelet_nodes == cluster.nodes
    assert (cluster.service_address, cluster.dns_address) == ("10.96.0.1", "10.96.0.10")
    assert (cluster.api_port, cluster.node_local_url, cluster.endpoint_url) == (
        6443,
        "https://127.0.0.1:16443",
        "https://127.0.0.1:7443",
    )
    assert cluster.summary()["worker-2"] == {"address": "10.89.3.15", "roles": ["worker"]}


def test_dedicated_etcd() -> None:
    cluster = topology("dedicated_etcd")
    assert [node.name for node in cluster.etcd_nodes] == ["etcd-1", "etcd-2", "etcd-3"]
    assert [node.name for node in cluster.control_plane_nodes] == ["cp-1", "cp-2"]
    assert [node.name for node in cluster.kubelet_nodes] == ["worker-1", "worker-2", "cp-1", "cp-2"]
    assert [node.name for node in cluster.roll_order()] == [
        *("etcd-1", "etcd-2", "etcd-3"),
        *("cp-1", "cp-2"),
        *("worker-1", "worker-2"),
    ]
    assert cluster.node("etcd-1").taints == ()
    assert cluster.node("worker-1").labels == {"example.com/disk": "ssd"}
    assert cluster.node("worker-2").taints == (
        TaintPlan("dedicated", "gpu", "NoSchedule"),
        TaintPlan("dedicated", "gpu", "NoExecute"),
    )
    assert (cluster.service_address, cluster.dns_address) == ("10.20.0.1", "10.20.0.10")


def test_one_master() -> None:
    cluster = topology("one_master")
    assert [node.address for node in cluster.nodes] == ["192.168.10.11", "192.168.10.12", "192.168.10.13"]
    assert len(cluster.etcd_nodes) == 3
    assert [node.name for node in cluster.control_plane_nodes] == ["node1"]
    assert [bool(node.taints) for node in cluster.nodes] == [True, False, False]
    assert [node.name for node in cluster.roll_order()] == ["node1", "node2", "node3"]


def test_a_member_that_runs_pods_comes_after_every_api_server() -> None:
    change = {"nodes[0].roles": ["etcd", "worker"], "nodes[1].roles": ["control-plane"], "nodes[3].roles": ["etcd"]}
    cluster = plan(load(changed(page_values("stacked"), change)), LABS["stacked"], ENDPOINT)
    assert [node.name for node in cluster.roll_order()] == ["cp-3", "worker-1", "cp-2", "cp-1", "worker-2"]


def test_names_in_certificates() -> None:
    cluster = topology("dedicated_etcd", ("api.lab.example.com", 443))
    assert cluster.api_sans(cluster.node("cp-1")) == (
        (
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.k8s.example.com",
            "cp-1",
            "localhost",
            "api.lab.example.com",
            "api.example.com",
        ),
        ("127.0.0.1", "10.20.0.1", "192.168.10.21", "192.168.10.100"),
    )
    assert cluster.etcd_sans(cluster.node("etcd-2")) == (("etcd-2", "localhost"), ("127.0.0.1", "192.168.10.12"))
    assert cluster.kubelet_sans(cluster.node("worker-1")) == (("worker-1",), ("192.168.10.31",))


def test_untainted_control_plane() -> None:
    page = load(changed(page_values("stacked"), {"nodes[0].roles": ["etcd", "control-plane", "worker"]}))
    tainted = [node.name for node in plan(page, LABS["stacked"], ENDPOINT).nodes if node.taints]
    assert tainted == ["cp-2", "cp-3"]


def test_without_a_lab_addresses_come_from_the_page() -> None:
    cluster = plan(load(page_values("dedicated_etcd")), None, ENDPOINT)
    assert cluster.node("etcd-3").address == "192.168.10.13"
    assert cluster.subnet is None


@pytest.mark.parametrize(
    ("name", "lab", "line"),
    [
        (
            "one_master",
            MachineNetwork("10.89.3.0/24", {"node3": 13}),
            "hardway:nodes[0].address: '192.168.10.11' lies outside the machines' subnet (10.89.3.0/24); "
            "allowed: 10.89.3.3 to 10.89.3.254",
        ),
        (
            "one_master",
            MachineNetwork("192.168.10.0/24", {"node3": 11}),
            "hardway:nodes[2].address: '192.168.10.11' is also the address of nodes[0]; allowed: an address of its own",
        ),
        (
            "one_master",
            None,
            "hardway:nodes[2].address: is missing and the machines' network has none for it; "
            "allowed: an address of its own",
        ),
        (
            "stacked",
            MachineNetwork("10.244.7.0/24", LABS["stacked"].hosts),
            "hardway:machines.subnet: '10.244.7.0/24' overlaps network.podCidr (10.244.0.0/16); "
            "allowed: a network outside 10.244.0.0/16",
        ),
    ],
)
def test_page_that_does_not_fit_the_lab(name: str, lab: MachineNetwork | None, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan(load(page_values(name)), lab, ENDPOINT)
    assert str(caught.value).splitlines()[0] == line
