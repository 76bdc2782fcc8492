"""Flags that follow the number of nodes: few steps, so that another node seldom restarts the control plane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from components.config import Page

_CLIENT = {"kube-api-qps": "100", "kube-api-burst": "100"}


@dataclass(frozen=True)
class Step:
    """Flags by component for a cluster with more than `above` nodes that run a kubelet."""

    above: int
    flags: Mapping[str, Mapping[str, str]]


STEPS = (
    # Upstream tests clusters of 100 nodes and more with these limits of clients: CONTROLLER_MANAGER_TEST_ARGS and
    # SCHEDULER_TEST_ARGS of preset-e2e-scalability-common (kubernetes/test-infra, sig-scalability-presets.yaml). With
    # the defaults, one controller sends 20 requests a second, and the scheduler 50.
    Step(100, {"kube-controller-manager": _CLIENT, "kube-scheduler": _CLIENT}),
    # Upstream's own scripts have these two steps: cluster/gce/gci/configure-kubeapiserver.sh in kubernetes/kubernetes.
    Step(500, {"kube-apiserver": {"max-requests-inflight": "1500", "max-mutating-requests-inflight": "500"}}),
    Step(3000, {"kube-apiserver": {"max-requests-inflight": "3000", "max-mutating-requests-inflight": "1000"}}),
)


def flags_for(component: str, nodes: int) -> dict[str, str]:
    """The flags of a component in a cluster in which this many nodes run a kubelet. Smaller clusters have none."""
    found: dict[str, str] = {}
    for step in STEPS:
        if nodes > step.above:
            found |= step.flags.get(component, {})
    return found


def sized(page: Page, component: str) -> dict[str, str]:
    """The flags of a component for the number of nodes on the page."""
    return flags_for(component, sum(node.runs_kubelet for node in page.nodes))
