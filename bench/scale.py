"""Measures a control plane with many nodes: 500 Node objects and 5,000 pods of which nobody runs, played by kwok.

API servers, etcd, controllers, proxies and flannel are real. Nodes, pods and what kubelets write are real objects and
requests. What is missing are the connections of other machines, and everything that runs in pods.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench import fake_objects, kwok, requests
from bench.checks import Checks, measure_checks
from bench.cpu import CpuLog, busy
from bench.filling import fill, ready_nodes, refill, running_pods
from bench.inside import Inside, look, rules_on
from bench.kwok import Kwok
from bench.rolling import Step, rolled
from bench.writes import Latencies
from components.node.render.sizing import flags_for
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.kubeconfig import unpack
from tests.e2e.support.stack import Stack
from tests.e2e.support.watch import watching
from tests.wait import eventually

_COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
_SETTLE_SECONDS = 180
_QUIET_SECONDS = 15
_EVERY_SECONDS = 3


@dataclass(frozen=True)
class Roll:
    """One flag of the API servers changed by `make up`: the steps, and requests of probes meanwhile."""

    steps: list[Step]
    sent: int
    failed: int
    longest_gap: float


@dataclass(frozen=True)
class State:
    """What was measured with a number of nodes without machines.

    `cores` of the host were busy while `latencies` were measured, `used` of them by each component on all machines.
    `unchanged` is the time in seconds of a `make up` that changes nothing.
    """

    nodes: int
    pods: int
    latencies: Mapping[str, Latencies]
    cores: float
    used: Mapping[str, float]
    inside: Inside
    roll: Roll
    unchanged: float


@dataclass(frozen=True)
class Scale:
    """The result: both states, and after how many seconds all nodes were Ready and all pods were running.

    `flags` are those by component that a page with all these nodes has and a page of five nodes has not. `again` is the
    time in seconds until all pods were running with these flags, after they were deleted. None if there are no flags.
    """

    checks: Checks
    empty: State
    full: State
    ready: float
    running: float
    flags: Mapping[str, Mapping[str, str]]
    again: float | None


def check(nodes: int, pods: int) -> str | None:
    """What is wrong with the wanted size, or None."""
    if not 1 <= nodes <= fake_objects.MOST_NODES:
        return f"--nodes: {nodes}; allowed: 1 to {fake_objects.MOST_NODES}"
    most = nodes * fake_objects.MOST_PODS_OF_A_NODE
    if not 1 <= pods <= most:
        return f"--pods: {pods}; allowed: 1 to {most}, {fake_objects.MOST_PODS_OF_A_NODE} on each of {nodes} nodes"
    return None


def measure_scale(stack: Stack, nodes: int, pods: int) -> Scale:
    """Measure a new cluster before and after it has the nodes and pods. `stack` has the page of `page_with_room`.

    Raises AssertionError if a step fails. The stack is removed in any case, also what an earlier run has left.
    """
    program = kwok.find()
    cluster = Cluster(stack, None, None)
    cluster.destroy()
    try:
        cluster.up()
        checks = measure_checks(cluster)
        stack.say(f"  {checks}")
        empty = _state(cluster, 0, 0)
        with kwok.simulating(cluster.kubectl, program, stack.folder / "kwok") as running:
            ready, all_run = fill(cluster.kubectl, running, nodes, pods, stack.say)
            full = _state(cluster, nodes, pods)
            # A node whose lease was not renewed in time would have lost its pods meanwhile.
            left = ready_nodes(cluster.kubectl), running_pods(cluster.kubectl)
            assert left == (nodes, pods), f"{left[0]} nodes and {left[1]} pods are left"
            flags = flags_with(stack.page, nodes)
            again = _again(cluster, running, flags, pods) if flags else None
        return Scale(checks, empty, full, ready, all_run, flags, again)
    finally:
        cluster.destroy()


def flags_with(page: Mapping[str, Any], nodes: int) -> dict[str, dict[str, str]]:
    """The flags by component that the page would have with this many nodes more. They follow the number of nodes."""
    count = nodes + sum(node["roles"] != ["etcd"] for node in page["hardway:nodes"])
    return {component: found for component in _COMPONENTS if (found := flags_for(component, count))}


def _again(cluster: Cluster, running: Kwok, flags: Mapping[str, Mapping[str, str]], pods: int) -> float:
    cluster.change({"hardway:extraArgs": flags})
    cluster.stack.say(f"  flags of a large page after {cluster.up().seconds:.1f} s")
    return refill(cluster.kubectl, running, pods, cluster.stack.say)


def _state(cluster: Cluster, nodes: int, pods: int) -> State:
    stack = cluster.stack
    _settle(cluster, pods)
    url, credentials = stack.output("endpoint"), unpack(stack.kubeconfig, stack.folder)
    before = look(cluster)
    with CpuLog() as cpu:
        begins = time.monotonic()
        latencies = requests.measure(url, credentials, requests.requests_of("cp-1"))
        ends = time.monotonic()
    inside = look(cluster)
    used = inside.cores_since(before, time.monotonic() - begins)
    stack.say(f"  {latencies}\n{inside}\n{used}")
    roll = _roll(cluster, nodes)
    return State(nodes, pods, latencies, busy(cpu.samples, begins, ends), used, inside, roll, cluster.up().seconds)


def _settle(cluster: Cluster, pods: int) -> None:
    """Wait until kube-proxy of a worker knows all pods of services that have more than one, and some seconds more."""
    known = sum(share for share in fake_objects.shares(pods) if share > 1)

    def synced() -> None:
        found = rules_on(cluster.machines["worker-1"])
        assert found.pods >= known, f"{found} for {known} pods"

    eventually(synced, _SETTLE_SECONDS, "kube-proxy knows all pods", every=_EVERY_SECONDS)
    time.sleep(_QUIET_SECONDS)


def _roll(cluster: Cluster, nodes: int) -> Roll:
    """Change one flag of all API servers in a way that nobody notices."""
    server = {"event-ttl": "62m" if nodes else "61m"}
    with watching(cluster, ["worker-1"], [], cluster.stack.say) as watch:
        cluster.change({"hardway:extraArgs": {"kube-apiserver": server}})
        found = rolled(cluster.stack)
        assert found.run.code == 0, found.run.tail()
        reports = watch.reports()
    cluster.stack.say(f"  {found.line()}")
    sent, failed = (sum(getattr(report, name) for report in reports) for name in ("requests", "failed"))
    return Roll(list(found.steps), sent, failed, max(report.longest_gap for report in reports))
