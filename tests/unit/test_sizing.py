"""Flags that follow the number of nodes: at the borders of the steps, and on nodes."""

import itertools
from collections.abc import Callable

import pytest
from clusters import cluster

from bench import preview
from components.config import Page, load
from components.node.model import NodePart
from components.node.render.control_plane import api_server, controller_manager, scheduler
from components.node.render.sizing import STEPS, flags_for, sized
from components.topology import NodePlan, Topology

PARTS = {"kube-apiserver": api_server, "kube-controller-manager": controller_manager, "kube-scheduler": scheduler}


@pytest.mark.parametrize(
    ("nodes", "qps", "requests", "mutating"),
    [
        (1, None, None, None),
        (100, None, None, None),
        (101, "100", None, None),
        (500, "100", None, None),
        (501, "100", "1500", "500"),
        (3000, "100", "1500", "500"),
        (3001, "100", "3000", "1000"),
    ],
)
def test_each_step_begins_above_its_number(
    nodes: int, qps: str | None, requests: str | None, mutating: str | None
) -> None:
    for client in ("kube-controller-manager", "kube-scheduler"):
        assert flags_for(client, nodes).get("kube-api-qps") == qps
        assert flags_for(client, nodes).get("kube-api-burst") == qps
    found = flags_for("kube-apiserver", nodes)
    assert (found.get("max-requests-inflight"), found.get("max-mutating-requests-inflight")) == (requests, mutating)


def test_another_node_between_two_steps_changes_no_flag() -> None:
    """Otherwise each added worker would restart the control plane."""
    borders = [0, *(step.above for step in STEPS), 5000]
    for above, last in itertools.pairwise(borders):
        for name in PARTS:
            assert flags_for(name, above + 1) == flags_for(name, last)


def unit(make: Callable[[Page, Topology, NodePlan], NodePart], page: Page) -> str:
    """The text of the component's unit on a control-plane node."""
    found = cluster("stacked")
    node = found.topology.control_plane_nodes[0]
    (rendered,) = make(page, found.topology, node).units
    return rendered.text


@pytest.mark.parametrize("name", PARTS)
def test_units_get_the_flags_of_their_page(name: str) -> None:
    # Three control-plane nodes run a kubelet as well.
    small, large = load(preview.page(97)), load(preview.page(498))
    assert sized(small, name) == {} and sized(large, name) == flags_for(name, 501) != {}
    before, after = (unit(PARTS[name], page) for page in (small, large))
    for flag, value in flags_for(name, 501).items():
        assert f"--{flag}=" not in before
        assert f"--{flag}={value} " in after


def test_etcd_nodes_without_a_kubelet_do_not_count() -> None:
    values = preview.page(97)
    first = values["nodes"][0]
    etcd = [first | {"name": f"etcd-{n}", "roles": ["etcd"], "address": f"10.21.0.{n}"} for n in (1, 2)]
    values["nodes"] = [*values["nodes"], *etcd]
    page = load(values)
    assert len(page.nodes) == 102 and sized(page, "kube-scheduler") == {}


def test_the_page_has_the_last_word() -> None:
    page = load(preview.page(498) | {"extraArgs": {"kube-apiserver": {"max-requests-inflight": 900}}})
    text = unit(api_server, page)
    assert "--max-requests-inflight=900 " in text and "--max-mutating-requests-inflight=500 " in text
