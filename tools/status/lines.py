"""The page of health that `make status` prints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from components.config.etcd import MEBIBYTE
from tools.certificates.table import date
from tools.status import snapshots
from tools.status.finding import Finding
from tools.status.findings import Status, members_of, versions_of
from tools.status.machine import Machine

_API_SERVER = "kube-apiserver.service"
_SHOWN_VERSIONS = ("kube-apiserver", "kubelet", "etcd", "containerd")


def lines(status: Status, found: Iterable[Finding]) -> Iterator[str]:
    """One line for each part of the cluster, then the findings."""
    found = tuple(found)
    for name, text in _parts(status):
        yield f"{name:<14}{text}"
    acts = [finding.text for finding in found if finding.acts]
    notes = [finding.text for finding in found if not finding.acts]
    for title, texts in (("Somebody has to act:", acts), ("Worth knowing:", notes)):
        if texts:
            yield ""
            yield title
            yield from (f"- {text}" for text in texts)
    if not acts:
        yield ""
        yield "Nobody has to act."


def _parts(status: Status) -> Iterator[tuple[str, str]]:
    answering = [machine for machine in status.machines if not machine.silence]
    yield "API", "no answer" if status.cluster.silence else f"answers in {status.cluster.milliseconds} ms"
    yield "API servers", _units(answering, _API_SERVER)
    yield "etcd", _etcd(status)
    yield "nodes", _nodes(status)
    yield "machines", f"{len(answering)} of {len(status.machines)} tell their state; {_all_units(answering)}"
    versions = versions_of(answering)
    yield (
        "versions",
        ", ".join(f"{name} {'/'.join(sorted(versions[name]))}" for name in _SHOWN_VERSIONS if versions[name]),
    )
    yield "certificates", _certificates(status)
    yield "snapshots", snapshots.line(status.machines, status.now)
    yield "disks", _disks(answering)
    if status.plan:
        changes = ", ".join(status.plan.changes) or "nothing to change"
        yield "next up", "unknown" if status.plan.failure else changes


def _units(machines: Iterable[Machine], name: str) -> str:
    units = [(machine.node, unit) for machine in machines for unit in machine.units if unit.name == name]
    healthy = [f"{node} {unit.milliseconds} ms" for node, unit in units if unit.is_healthy]
    return f"{len(healthy)} of {len(units)} ready" + (f" ({', '.join(healthy)})" if healthy else "")


def _etcd(status: Status) -> str:
    members = dict(members_of(status.machines))
    if not members:
        return "no member answers"
    leader = next((node for node, member in members.items() if member.leads), "unknown")
    largest = max(members.values(), key=lambda member: member.size)
    quota = f" of {largest.quota / MEBIBYTE:.0f}" if largest.quota else ""
    size = f"{largest.size / MEBIBYTE:.0f}{quota} MiB, {largest.in_use / MEBIBYTE:.0f} MiB in use"
    return f"{_units(status.machines, 'etcd.service')}, leader {leader}; {size}"


def _nodes(status: Status) -> str:
    nodes = status.cluster.nodes
    if status.cluster.silence:
        return "unknown"
    pods = len(status.cluster.pods)
    return f"{sum(node.is_ready for node in nodes)} of {len(nodes)} Ready; {pods} pods not ready"


def _all_units(machines: Iterable[Machine]) -> str:
    units = [unit for machine in machines for unit in machine.units]
    return f"{sum(unit.is_healthy for unit in units)} of {len(units)} units healthy"


def _certificates(status: Status) -> str:
    first = next((row for row in status.certificates if row.next_step is not None), None)
    return f"next: {first.name}, {date(first.next_step)}" if first else "unknown"


def _disks(machines: Iterable[Machine]) -> str:
    parts = [
        (disk.free / disk.size, machine.node, disk.directory)
        for machine in machines
        for disk in machine.disks
        if disk.size
    ]
    if not parts:
        return "unknown"
    part, node, directory = min(parts)
    return f"least room: {100 * part:.0f} % of {directory} on {node}"
