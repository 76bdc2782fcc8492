"""Decides what somebody has to look at: each rule with its limit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tools.certificates.rows import Row
from tools.operate.etcd_status import NO_SPACE, MemberStatus
from tools.status import snapshots
from tools.status.cluster import Cluster
from tools.status.finding import Finding
from tools.status.machine import Machine
from tools.status.plan import Plan

LEAST_FREE = 0.1
"""The free part of a disk. Below it, a kubelet evicts pods unless the page says otherwise (nodefs.available,
imagefs.available), and the condition DiskPressure of the node says so."""
LEAST_BYTES = 10 << 30
"""The free bytes of a disk. More than that is room for images, releases and a defragmentation of etcd, however large
the disk is: a tenth of some terabytes, or of the disk that a local machine shares with its host."""
MOST_USED = 0.8
"""The part of the quota of etcd that may be used. At the quota, etcd refuses every write."""
CLOCK_SECONDS = 5
"""How far clocks may differ, besides the time that the machine needed for its answer."""


@dataclass(frozen=True)
class Status:
    """All that is known of a stack. `asked` is when the machines were asked, from and until, by the clock here."""

    stack: str
    nodes: Mapping[str, Mapping[str, Any]]
    """The stack output `nodes`."""
    asked: tuple[datetime, datetime]
    cluster: Cluster
    machines: tuple[Machine, ...]
    certificates: tuple[Row, ...]
    plan: Plan | None
    """None: nobody wanted to know."""
    now: datetime = field(default_factory=lambda: datetime.now().astimezone())


def findings(status: Status) -> tuple[Finding, ...]:
    """All findings, first those for which somebody has to act."""
    found = [
        *_api(status),
        *_machines(status),
        *_etcd(status),
        *snapshots.findings(status.machines, status.now, bool(dict(members_of(status.machines)))),
        *_versions(status.machines),
        *_certificates(status.certificates),
        *_plan(status),
    ]
    return tuple(sorted(found, key=lambda finding: not finding.acts))


def _api(status: Status) -> Iterator[Finding]:
    if status.cluster.silence:
        yield Finding(True, f"the API does not answer: {status.cluster.silence}")
        return
    seen = {node.name: node for node in status.cluster.nodes}
    for name, about in status.nodes.items():
        if name not in seen and set(about["roles"]) != {"etcd"}:
            yield Finding(True, f"node {name} is not in the API: `make up STACK={status.stack}` makes its object")
    for node in seen.values():
        if not node.is_ready:
            yield Finding(True, f"node {node.name} is not Ready: {node.troubles[0]}")
        for trouble in node.troubles[0 if node.is_ready else 1 :]:
            yield Finding(True, f"node {node.name}: {trouble}")
        if node.is_cordoned:
            yield Finding(False, f"node {node.name} is cordoned: it gets no new pods")
    for sentence in status.cluster.pods:
        yield Finding(sentence.startswith("pod kube-system/"), sentence)


def _machines(status: Status) -> Iterator[Finding]:
    begun, ended = status.asked
    slack = timedelta(seconds=CLOCK_SECONDS)
    for machine in status.machines:
        node = machine.node
        if machine.silence:
            yield Finding(True, f"machine {node} does not tell its state: {machine.silence}")
            continue
        if machine.is_unfinished:
            yield Finding(
                True, f"machine {node}: an activation is not finished: `make up STACK={status.stack}` goes on"
            )
        if machine.clock and not begun - slack <= machine.clock <= ended + slack:
            yield Finding(True, f"machine {node}: its clock says {machine.clock:%Y-%m-%d %H:%M:%S} UTC: set the clock")
        for unit in machine.units:
            if not unit.is_healthy:
                why = unit.problem or f"systemd says {unit.state}"
                yield Finding(True, f"machine {node}: {unit.name}: {why}: `journalctl -u {unit.name}` there says more")
            elif unit.restarts:
                yield Finding(
                    False, f"machine {node}: systemd restarted {unit.name}; number of restarts: {unit.restarts}"
                )
        for name in machine.stale:
            remedy = f"`systemctl restart {name}` there, on one machine after the other"
            yield Finding(True, f"machine {node}: {name} does not show its renewed certificate: {remedy}")
        for disk in machine.disks:
            if disk.free < LEAST_FREE * disk.size:
                part = 100 * disk.free // max(disk.size, 1)
                left = f"machine {node}: the disk of {disk.directory} has {part} % left, {disk.free >> 20} MiB"
                acts = disk.free < LEAST_BYTES
                yield Finding(acts, f"{left}: make room" if acts else left)


def _etcd(status: Status) -> Iterator[Finding]:
    members = dict(members_of(status.machines))
    for alarm in sorted({alarm for member in members.values() for alarm in member.alarms}):
        more = ": etcd refuses every write" if alarm == NO_SPACE else ""
        yield Finding(True, f'etcd has the alarm {alarm}{more}: docs/operations.md, "A full etcd"')
    for node, member in members.items():
        if not member.leader:
            yield Finding(True, f"etcd member {node} knows no leader: more than half of the members have to run")
        if member.learner:
            yield Finding(False, f"etcd member {node} does not vote yet: it receives the data")
        if member.quota and member.size >= MOST_USED * member.quota:
            part = 100 * member.size // member.quota
            unused = 100 * (member.size - member.in_use) // max(member.size, 1)
            more = "raise etcd.quotaBackendBytes, or delete objects"
            remedy = "`make defrag` gives it back" if member.is_fragmented else more
            used = f"its database uses {part} % of its quota, and {unused} % of the database is unused"
            yield Finding(True, f"etcd member {node}: {used}: {remedy}")
    leaders = {member.leader for member in members.values() if member.leader}
    if len(leaders) > 1:
        yield Finding(False, "the members of etcd name different leaders: an election is under way")


def _versions(machines: Iterable[Machine]) -> Iterator[Finding]:
    for program, where in sorted(versions_of(machines).items()):
        if len(where) > 1:
            each = "; ".join(f"{version} on {', '.join(nodes)}" for version, nodes in sorted(where.items()))
            yield Finding(True, f"{program} has different versions, as after an upgrade that did not end: {each}")


def _certificates(rows: Iterable[Row]) -> Iterator[Finding]:
    states: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        states[row.state].append(row.name)
    for state, acts, remedy in (("expired", True, "`make up` renews them"), ("due", False, "`make renew` renews them")):
        if names := states[state]:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            yield Finding(acts, f"certificates that are {state}: {', '.join(names[:3])}{more}: {remedy}")


def _plan(status: Status) -> Iterator[Finding]:
    if status.plan and status.plan.failure:
        yield Finding(True, f"`make preview STACK={status.stack}` fails: {status.plan.failure}")
    elif status.plan and status.plan.changes:
        changes = ", ".join(status.plan.changes)
        yield Finding(False, f"the machines are not as the page says: `make up STACK={status.stack}` has {changes}")


def members_of(machines: Iterable[Machine]) -> Iterator[tuple[str, MemberStatus]]:
    """The members of etcd that answered, with their nodes."""
    for machine in machines:
        if machine.member:
            yield machine.node, machine.member


def versions_of(machines: Iterable[Machine]) -> dict[str, dict[str, list[str]]]:
    """For each program, its versions with their nodes."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for machine in machines:
        for program, version in machine.versions:
            found[program][version].append(machine.node)
    return found
