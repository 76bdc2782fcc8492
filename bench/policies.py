"""Compares requests between pods of two nodes: nothing enforces policies, no policy, and under a policy.

All in one cluster, in turns, so that what else the host does counts for each. The client has the network of a pod.
"""

import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench.cpu import CpuLog, busy
from components.network_policies.names import TABLE
from tests.e2e.support import pods
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.machines import Machine
from tests.e2e.support.pod_network import network_of
from tests.e2e.support.probe import Report
from tests.e2e.support.process import ask
from tests.e2e.support.progress import Say
from tests.e2e.support.stack import Stack
from tests.e2e.support.wait import eventually
from tools.common.paths import this_clone

ENGINE = "kube-network-policies"
OPEN, ISOLATED = "open", "isolated"
STATES = {
    "off": "nothing enforces policies",
    OPEN: "enforced, no policy for these pods",
    ISOLATED: "enforced, under a policy",
}
RATE, SECONDS = 50, 12
_TICKS_PER_SECOND = 100  # USER_HZ, the same on all Linux systems


@dataclass(frozen=True)
class Turn:
    """One measurement: the probe's report, busy cores of the host, and CPU seconds of the engine on both nodes."""

    state: str
    report: Report
    cores: float
    engine: float


def page_with_policies(page: dict[str, Any]) -> dict[str, Any]:
    """A page with network policies, and a namespace of each kind."""
    spaces = [{"name": OPEN}, {"name": ISOLATED, "network": "isolated"}]
    return page | {
        "hardway:network": page["hardway:network"] | {"policies": "enforced"},
        "hardway:access": page["hardway:access"] | {"namespaces": spaces},
    }


def measure_policies(stack: Stack, rounds: int, say: Say) -> list[Turn]:
    """Measure each state once in each round.

    Raises AssertionError if a step fails. The stack is removed in any case.
    """
    _down(stack)
    try:
        run = stack.up()
        assert run.code == 0, run.tail()
        return measure_in(Cluster(stack, run, None), rounds, say)
    finally:
        _down(stack)
        stack.forget()


def measure_in(cluster: Cluster, rounds: int, say: Say) -> list[Turn]:
    """Measure each state once in each round, in a cluster that has both namespaces."""
    clients = _make_pods(cluster)
    found = []
    for number in range(1, rounds + 1):
        for state in (OPEN, ISOLATED):
            found.append(_turn(cluster, clients[state], state))
        with _without_engine(cluster):
            found.append(_turn(cluster, clients[OPEN], "off"))
        for turn in found[-3:]:
            say(f"round {number}, {turn.state}: {turn.report.line()}; {turn.cores:.2f} cores")
    return found


@dataclass(frozen=True)
class Client:
    """The place from which a probe asks, and the address of the server."""

    machine: Machine
    network: str
    server: str


def _make_pods(cluster: Cluster) -> dict[str, Client]:
    first, second = cluster.having("worker")
    clients = {}
    for namespace in (OPEN, ISOLATED):
        for name, machine in (("server", first), ("client", second)):
            main = pods.container(cluster.image, "netexec", f"--http-port={pods.PORT}")
            cluster.kubectl.create(pods.pod(namespace, name, main, nodeName=machine.name)).ok()
        wait = ("wait", "--for=condition=Ready", "pod/server", "pod/client", f"--namespace={namespace}")
        cluster.kubectl(*wait, "--timeout=60s", timeout=70).ok()
        server = cluster.kubectl.get("pod", "server", f"--namespace={namespace}")["status"]["podIP"]
        clients[namespace] = Client(second, network_of(second, namespace, "client"), server)
    return clients


def _turn(cluster: Cluster, client: Client, state: str) -> Turn:
    command = [sys.executable, "-m", "tests.e2e.support.probe", "--json", f"--rate={RATE}", f"--seconds={SECONDS}"]
    command.append(f"--url=http://{client.server}:{pods.PORT}/hostname")
    before = _engine_seconds(cluster)
    with CpuLog() as cpu:
        begins = time.monotonic()
        answer = ask(client.machine.in_network(command, client.network), cwd=this_clone().root, timeout=SECONDS + 60)
        ends = time.monotonic()
    report = Report.from_json(answer.ok())
    return Turn(state, report, busy(cpu.samples, begins, ends), _engine_seconds(cluster) - before)


def _engine_seconds(cluster: Cluster) -> float:
    """CPU seconds of the engine on the workers so far."""
    script = "for pid in $(pidof netpol); do cut -d' ' -f14,15 /proc/$pid/stat; done"
    words = " ".join(machine.run(script).ok() for machine in cluster.having("worker")).split()
    return sum(map(int, words)) / _TICKS_PER_SECOND


@contextmanager
def _without_engine(cluster: Cluster) -> Iterator[None]:
    """A block in which no node has the engine, nor its rules."""
    _select(cluster, {"hardway.example/nowhere": ""})

    def gone() -> None:
        assert not cluster.kubectl.items("pods", f"--namespace={ENGINE}")

    eventually(gone, 60, "the engine is gone")
    for machine in cluster.machines.values():
        machine.run(f"nft delete table inet {TABLE}").ok()
    try:
        yield
    finally:
        _select(cluster, None)
        wait = ("rollout", "status", f"daemonset/{ENGINE}", f"--namespace={ENGINE}", "--timeout=60s")
        cluster.kubectl(*wait, timeout=70).ok()


def _select(cluster: Cluster, labels: dict[str, str] | None) -> None:
    patch = json.dumps({"spec": {"template": {"spec": {"nodeSelector": labels}}}})
    cluster.kubectl("patch", f"daemonset/{ENGINE}", f"--namespace={ENGINE}", "--type=merge", f"--patch={patch}").ok()


def _down(stack: Stack) -> None:
    run = stack.down()
    assert run.code == 0, run.tail()


def policies_table(turns: Sequence[Turn]) -> str:
    """Medians of all rounds as a Markdown table, latencies in milliseconds."""
    head = "| state | new connection p50 | p99 | kept connection p50 | p99 | failed | cores busy | engine, cores |"
    lines = [head, "|---|---:|---:|---:|---:|---:|---:|---:|"]
    for state, words in STATES.items():
        mine = [turn for turn in turns if turn.state == state]
        kinds = [turn.report.kinds for turn in mine]
        times = [
            statistics.median(getattr(kind[name], field) for kind in kinds)
            for name in ("fresh", "kept")
            for field in ("p50", "p99")
        ]
        failed = sum(turn.report.failed for turn in mine)
        cores = statistics.median(turn.cores for turn in mine)
        engine = statistics.median(turn.engine / turn.report.seconds for turn in mine)
        numbers = " | ".join(f"{value:.2f}" for value in times)
        lines.append(f"| {words} | {numbers} | {failed} | {cores:.2f} | {engine:.3f} |")
    return "\n".join(lines)
