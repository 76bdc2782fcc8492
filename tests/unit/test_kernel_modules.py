"""Modules of the kernel that the preflight inspection asks a host for, by what the page chooses."""

from typing import Any

import pytest
from clusters import cluster

from components.config.existing import ExistingSection
from components.machines.needs import needs_of
from components.node.render.operating_system import MODULES


def asked(change: dict[str, Any]) -> set[str]:
    """The modules that a worker has to have."""
    made = cluster("existing", change)
    hosts = made.page.machines
    assert isinstance(hosts, ExistingSection)
    node = next(node for node in made.topology.nodes if node.name == "worker-1")
    return set(needs_of(made.page, hosts, made.topology, node)["MODULES"].split())


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({}, {"vxlan", "nf_tables"}),
        ({"network.flannel.backend": "host-gw"}, {"nf_tables"}),
        ({"network.proxyMode": "iptables"}, {"vxlan"}),
        ({"network.proxyMode": "ipvs"}, {"vxlan", "ip_vs", "ip_vs_rr", "ip_set", "dummy"}),
        (
            {"network.proxyMode": "ipvs", "extraConfig.kube-proxy": {"ipvs": {"scheduler": "lc"}}},
            {"vxlan", "ip_vs", "ip_vs_lc", "ip_set", "dummy"},
        ),
        (
            {"network.proxyMode": "ipvs", "extraConfig.kube-proxy": {"ipvs": {"strictARP": True}}},
            {"vxlan", "ip_vs", "ip_vs_rr", "ip_set", "dummy"},
        ),
    ],
)
def test_what_the_page_chooses_asks_for_its_modules(change: dict[str, Any], wanted: set[str]) -> None:
    assert asked(change) - set(MODULES) == wanted


def test_containers_are_not_asked_for_modules_that_nobody_sees_in_them() -> None:
    change = {"machines.containers": True, "machines.swap": "refuse", "network.proxyMode": "ipvs"}
    assert asked(change) == {"overlay"}
