"""Compares requests between pods of two nodes: with and without policies that are enforced, in one cluster.

Two clients, one of an open namespace and one of an isolated namespace, ask at the same time, so that what else the host
does counts for both. They do so in turns with and without the program that enforces. A client has the network of a pod.
"""

import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from tests.wait import eventually
from tools.common.paths import this_clone

ENGINE = "kube-network-policies"
OPEN, ISOLATED = "open", "isolated"
RATE, SECONDS = 50, 12
_TICKS_PER_SECOND = 100  # USER_HZ, the same on all Linux systems


@dataclass(frozen=True)
class Turn:
    """One measurement: the reports of both probes by namespace, busy cores of the host, cores of the engine."""

    enforced: bool
    reports: dict[str, Report]
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
        found.append(_turn(cluster, clients, enforced=True))
        with _without_engine(cluster):
            found.append(_turn(cluster, clients, enforced=False))
        for turn in found[-2:]:
            for namespace, report in turn.reports.items():
                say(f"round {number}, enforced: {turn.enforced}, {namespace}: {report.line()}")
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


def _turn(cluster: Cluster, clients: dict[str, Client], *, enforced: bool) -> Turn:
    command = [sys.executable, "-m", "tests.e2e.support.probe", "--json", f"--rate={RATE}", f"--seconds={SECONDS}"]

    def ask_server(client: Client) -> Report:
        words = [*command, f"--url=http://{client.server}:{pods.PORT}/hostname"]
        answer = ask(client.machine.in_network(words, client.network), cwd=this_clone().root, timeout=SECONDS + 60)
        # The probe ends with 1 if a request has failed.
        assert answer.code in (0, 1) and answer.stdout, answer.text
        return Report.from_json(answer.stdout)

    before = _engine_seconds(cluster)
    with CpuLog() as cpu, ThreadPoolExecutor() as pool:
        begins = time.monotonic()
        reports = dict(zip(clients, pool.map(ask_server, clients.values()), strict=True))
        ends = time.monotonic()
    engine = (_engine_seconds(cluster) - before) / (ends - begins)
    return Turn(enforced, reports, busy(cpu.samples, begins, ends), engine)


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
    head = "| | new connection p50 | p99 | kept connection p50 | p99 | failed | cores busy | engine, cores |"
    lines = [head, "|---|---:|---:|---:|---:|---:|---:|---:|"]
    for enforced in (False, True):
        mine = [turn for turn in turns if turn.enforced == enforced]
        cores = statistics.median(turn.cores for turn in mine)
        engine = statistics.median(turn.engine for turn in mine)
        for namespace in (OPEN, ISOLATED):
            reports = [turn.reports[namespace] for turn in mine]
            times = [
                statistics.median(getattr(report.kinds[kind], share) for report in reports)
                for kind in ("fresh", "kept")
                for share in ("p50", "p99")
            ]
            numbers = " | ".join(f"{value:.2f}" for value in times)
            failed = sum(report.failed for report in reports)
            words = f"{'enforced' if enforced else 'not enforced'}, namespace {namespace}"
            lines.append(f"| {words} | {numbers} | {failed} | {cores:.2f} | {engine:.3f} |")
    return "\n".join(lines)
