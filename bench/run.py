"""Measures a run: from no machines to Ready nodes and DNS, a second `up`, then `down`; or an upgrade, or a worker."""

import os
import time
from dataclasses import dataclass, replace

from bench.cpu import CpuLog
from bench.events import EventLog
from bench.phases import Measured, UnitTimes
from bench.rolling import Rolled, rolled
from bench.watching import dns_answers, is_ready
from tests.e2e.support.kubectl import admin_of
from tests.e2e.support.machines import Machine, machines_of
from tests.e2e.support.stack import Stack
from tools.from_source.catalogue import KUBERNETES_DEFAULT, KUBERNETES_VERSIONS

OLD = next(version for version in KUBERNETES_VERSIONS if version != KUBERNETES_DEFAULT)
"""The version of Kubernetes before the measured upgrade."""
UNITS = ("etcd", "kube-apiserver", "kubelet")


@dataclass(frozen=True)
class Result:
    """A first run, and the duration of a second `up` in seconds."""

    first: Measured
    second: float


def measure(stack: Stack) -> Result:
    """Measure a new cluster. Raises AssertionError if a step fails. The stack is removed in any case."""
    down(stack)
    try:
        first = first_up(stack)
        second = stack.up()
        assert second.code == 0, second.tail()
        return Result(first, second.seconds)
    finally:
        down(stack)
        stack.forget()


def measure_upgrade(stack: Stack) -> Rolled:
    """Bring the stack up with the version OLD, and measure its upgrade.

    Raises AssertionError if a step fails. The stack is removed in any case.
    """
    old = replace(stack, page={**stack.page, "hardway:versions": {"kubernetes": OLD}})
    os.environ["KUBERNETES"] = " ".join(KUBERNETES_VERSIONS)  # The versions that `make` builds
    down(old)
    try:
        first = old.up()
        assert first.code == 0, first.tail()
        found = rolled(stack)
        assert found.run.code == 0, found.run.tail()
        return found
    finally:
        down(stack)
        stack.forget()


def measure_worker(stack: Stack) -> Rolled:
    """Measure an added worker. Raises AssertionError if a step fails. The stack is removed in any case."""
    node = {"name": "worker-3", "roles": ["worker"]}
    more = replace(stack, page={**stack.page, "hardway:nodes": [*stack.page["hardway:nodes"], node]})
    down(stack)
    try:
        first = stack.up()
        assert first.code == 0, first.tail()
        found = rolled(more)
        assert found.run.code == 0, found.run.tail()
        assert any(is_ready(node) for node in admin_of(more).items("nodes") if node["metadata"]["name"] == "worker-3")
        return found
    finally:
        down(stack)
        stack.forget()


def first_up(stack: Stack) -> Measured:
    """Make a stack that does not exist, until DNS answers. Raises AssertionError if a step fails."""
    log = stack.folder / "events.json"
    with EventLog(log) as watched, CpuLog() as cpu:
        begin = time.monotonic()
        # Pulumi accepts the option --event-log only with this variable.
        run = stack.up(f"--event-log {log}", {"PULUMI_DEBUG_COMMANDS": "true"})
        end = time.monotonic()
    assert run.code == 0, run.tail()
    machines = machines_of(stack)
    dns = admin_of(stack).get("service", "kube-dns", "--namespace=kube-system")["spec"]["clusterIP"]
    answered = dns_answers(list(machines.values())[-1], dns)
    nodes = admin_of(stack).items("nodes")
    assert len(nodes) == len(machines) and all(is_ready(node) for node in nodes), "a node is not Ready"
    units = {unit: _unit_times(unit, list(machines.values())) for unit in UNITS}
    return Measured(begin, watched.events, units, end, answered, cpu.samples)


def down(stack: Stack) -> None:
    """Remove a stack. Raises AssertionError if that fails."""
    run = stack.down()
    assert run.code == 0, run.tail()


def _unit_times(unit: str, machines: list[Machine]) -> UnitTimes:
    """The times from systemd on the machines, which share the monotonic clock of the host."""
    started, ready = [], []
    for machine in machines:
        show = f"systemctl show --property=ExecMainStartTimestampMonotonic,ActiveEnterTimestampMonotonic {unit}.service"
        values = dict(line.split("=") for line in machine.run(show).ok().split())
        if int(values["ActiveEnterTimestampMonotonic"]):
            started.append(int(values["ExecMainStartTimestampMonotonic"]) / 1e6)
            ready.append(int(values["ActiveEnterTimestampMonotonic"]) / 1e6)
    return UnitTimes(min(started), max(ready))
