"""On how many nodes the pods of CoreDNS have to be spread."""

import pytest

from components.addons.coredns import spread_over
from components.topology import NodePlan, TaintPlan

CONTROL_PLANE = TaintPlan("node-role.kubernetes.io/control-plane", "", "NoSchedule")


def nodes(free: int, tainted: int = 0, taint: TaintPlan | None = None) -> list[NodePlan]:
    """`free` nodes that run any pod, and `tainted` nodes with a taint."""
    away = (taint or TaintPlan("gpu", "yes", "NoSchedule"),)
    return [NodePlan(f"n{i}", f"10.0.0.{i}", ("worker",), {}, () if i < free else away) for i in range(free + tainted)]


@pytest.mark.parametrize(
    ("given", "replicas", "spread"),
    [
        (nodes(5), 2, 2),
        (nodes(2), 2, 2),
        (nodes(1), 2, 1),
        # One node with both roles, and a worker with a taint.
        (nodes(1, 1), 2, 1),
        (nodes(1, 1, CONTROL_PLANE), 2, 2),
        (nodes(1, 1, TaintPlan("slow", "", "PreferNoSchedule")), 2, 2),
        # Two pods on each node: the drain of a node needs a place for both.
        (nodes(2), 4, 1),
        (nodes(3), 4, 2),
        (nodes(0, 2), 1, 1),
    ],
)
def test_spread(given: list[NodePlan], replicas: int, spread: int) -> None:
    assert spread_over(given, replicas) == spread
