"""Which states need somebody, and the page that shows them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tools.certificates.rows import Row
from tools.operate.etcd_status import MemberStatus
from tools.status.cluster import Cluster, Node
from tools.status.findings import Status, findings
from tools.status.lines import lines
from tools.status.machine import Disk, Machine, Snapshot, UnitState
from tools.status.plan import Plan

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
MEBIBYTE = 1 << 20
GIBIBYTE = 1 << 30
NODES = {"cp-1": {"roles": ["etcd", "control-plane"]}, "worker-1": {"roles": ["worker"]}, "etcd-1": {"roles": ["etcd"]}}
MEMBER = MemberStatus(1, 1, "3.7.2", 5 * MEBIBYTE, 3 * MEBIBYTE, 100 * MEBIBYTE, 7, learner=False, errors=())
CP = Machine(
    "cp-1",
    release="a",
    clock=NOW,
    versions=(("etcd", "3.7.2"), ("kubelet", "1.37.1")),
    units=(
        UnitState("etcd.service", "active", 0, 12, ""),
        UnitState("kube-apiserver.service", "active", 0, 31, ""),
    ),
    disks=(Disk("/var/lib/etcd", 1000, 500),),
    member=MEMBER,
    snapshot=Snapshot(NOW - timedelta(minutes=10), timedelta(minutes=15)),
)
WORKER = Machine("worker-1", release="b", clock=NOW, versions=(("kubelet", "1.37.1"),), disks=(Disk("/", 1000, 900),))
LEAF = Row(
    "cp-1-apiserver", "server", "machine", "cp-1", 1, "ca", NOW + timedelta(days=9), NOW + timedelta(days=2), "valid"
)
HEALTHY = Status(
    stack="dev",
    nodes=NODES,
    asked=(NOW, NOW + timedelta(seconds=2)),
    cluster=Cluster(
        "", 20, tuple(Node(name, "1.37.1", is_ready=True, is_cordoned=False) for name in ("cp-1", "worker-1"))
    ),
    machines=(CP, WORKER),
    certificates=(LEAF,),
    plan=Plan(),
    now=NOW,
)


def machine(**changes: object) -> Status:
    """The healthy stack with another cp-1."""
    return replace(HEALTHY, machines=(replace(CP, **changes), WORKER))  # type: ignore[arg-type]


def node(**changes: object) -> Status:
    """The healthy stack with another Node object of cp-1."""
    first, second = HEALTHY.cluster.nodes
    return replace(HEALTHY, cluster=replace(HEALTHY.cluster, nodes=(replace(first, **changes), second)))  # type: ignore[arg-type]


def member(**changes: object) -> Status:
    return machine(member=replace(MEMBER, **changes))  # type: ignore[arg-type]


def test_nobody_has_to_act_on_a_healthy_stack() -> None:
    assert findings(HEALTHY) == ()


ACTS: dict[str, tuple[Callable[[], Status], str]] = {
    "API": (
        lambda: replace(HEALTHY, cluster=Cluster("connection refused")),
        "the API does not answer: connection refused",
    ),
    "missing": (
        lambda: replace(HEALTHY, cluster=replace(HEALTHY.cluster, nodes=HEALTHY.cluster.nodes[:1])),
        "node worker-1 is not in the API: `make up STACK=dev` makes its object",
    ),
    "NotReady": (lambda: node(is_ready=False, troubles=("no CNI",)), "node cp-1 is not Ready: no CNI"),
    "pressure": (lambda: node(troubles=("DiskPressure: full",)), "node cp-1: DiskPressure: full"),
    "pod": (
        lambda: replace(HEALTHY, cluster=replace(HEALTHY.cluster, pods=("pod kube-system/coredns is not ready: x",))),
        "pod kube-system/coredns is not ready: x",
    ),
    "silent": (lambda: machine(silence="no route"), "machine cp-1 does not tell its state: no route"),
    "unfinished": (
        lambda: machine(is_unfinished=True),
        "machine cp-1: an activation is not finished: `make up STACK=dev` goes on",
    ),
    "clock": (
        lambda: machine(clock=NOW + timedelta(seconds=8)),
        "machine cp-1: its clock says 2026-11-27 12:00:08 UTC: set the clock",
    ),
    "unit": (
        lambda: machine(units=(UnitState("etcd.service", "failed", 0, 1, ""),)),
        "machine cp-1: etcd.service: systemd says failed: `journalctl -u etcd.service` there says more",
    ),
    "health": (
        lambda: machine(units=(UnitState("etcd.service", "active", 0, 1, "503"),)),
        "machine cp-1: etcd.service: 503: `journalctl -u etcd.service` there says more",
    ),
    "certificate that is not shown": (
        lambda: machine(stale=("kubelet.service",)),
        "machine cp-1: kubelet.service does not show its renewed certificate: "
        "`systemctl restart kubelet.service` there, on one machine after the other",
    ),
    "disk": (
        lambda: machine(disks=(Disk("/var/lib/etcd", 108 * GIBIBYTE, 10 * GIBIBYTE - 1),)),
        "machine cp-1: the disk of /var/lib/etcd has 9 % left, 10239 MiB: make room",
    ),
    "alarm": (
        lambda: member(errors=("memberID:1  alarm:NOSPACE",)),
        'etcd has the alarm NOSPACE: etcd refuses every write: docs/operations.md, "A full etcd"',
    ),
    "leader": (lambda: member(leader=0), "etcd member cp-1 knows no leader: more than half of the members have to run"),
    "large": (
        lambda: member(size=80 * MEBIBYTE, in_use=70 * MEBIBYTE),
        "etcd member cp-1: its database uses 80 % of its quota, and 12 % of the database is unused: raise "
        "etcd.quotaBackendBytes, or delete objects",
    ),
    "no snapshot": (
        lambda: machine(snapshot=Snapshot(None, timedelta(minutes=15))),
        "there is no snapshot of etcd yet: `make backup` takes one and says what is wrong",
    ),
    "old snapshot": (
        lambda: machine(snapshot=Snapshot(NOW - timedelta(minutes=31), timedelta(minutes=15))),
        "the newest snapshot of etcd is 0.5 h old, and the page wants one every 15 minutes: `make backup` takes one "
        "and says what is wrong",
    ),
    "versions": (
        lambda: machine(versions=(("kubelet", "1.36.4"),)),
        "kubelet has different versions, as after an upgrade that did not end: 1.36.4 on cp-1; 1.37.1 on worker-1",
    ),
    "expired": (
        lambda: replace(HEALTHY, certificates=(replace(LEAF, state="expired"),)),
        "certificates that are expired: cp-1-apiserver: `make up` renews them",
    ),
    "preview": (lambda: replace(HEALTHY, plan=Plan(failure="no page")), "`make preview STACK=dev` fails: no page"),
}


@pytest.mark.parametrize("name", ACTS)
def test_somebody_has_to_act(name: str) -> None:
    made, text = ACTS[name]
    assert [(finding.acts, finding.text) for finding in findings(made())][:1] == [(True, text)]


WORTH_KNOWING: dict[str, tuple[Callable[[], Status], str]] = {
    "cordoned": (lambda: node(is_cordoned=True), "node cp-1 is cordoned: it gets no new pods"),
    "pod": (
        lambda: replace(HEALTHY, cluster=replace(HEALTHY.cluster, pods=("pod web/a is not ready: x",))),
        "pod web/a is not ready: x",
    ),
    "restarts": (
        lambda: machine(units=(UnitState("etcd.service", "active", 4, 1, ""),)),
        "machine cp-1: systemd restarted etcd.service; number of restarts: 4",
    ),
    "learner": (lambda: member(learner=True), "etcd member cp-1 does not vote yet: it receives the data"),
    "no snapshots": (lambda: machine(snapshot=None), "nothing takes snapshots of etcd: docs/backup.md"),
    "large disk": (
        lambda: machine(disks=(Disk("/", 250 * GIBIBYTE, 24 * GIBIBYTE),)),
        "machine cp-1: the disk of / has 9 % left, 24576 MiB",
    ),
    "due": (
        lambda: replace(HEALTHY, certificates=(replace(LEAF, state="due"),)),
        "certificates that are due: cp-1-apiserver: `make renew` renews them",
    ),
    "plan": (
        lambda: replace(HEALTHY, plan=Plan(("1 node to change",))),
        "the machines are not as the page says: `make up STACK=dev` has 1 node to change",
    ),
}


@pytest.mark.parametrize("name", WORTH_KNOWING)
def test_nobody_has_to_act(name: str) -> None:
    made, text = WORTH_KNOWING[name]
    assert [(finding.acts, finding.text) for finding in findings(made())] == [(False, text)]


def test_limits_are_not_reached_just_below() -> None:
    """The last value of each limit at which nobody has to act."""
    assert findings(machine(clock=NOW + timedelta(seconds=7))) == ()
    assert findings(machine(disks=(Disk("/", 1000, 100),))) == ()
    assert findings(member(size=80 * MEBIBYTE - 1)) == ()
    assert findings(machine(snapshot=Snapshot(NOW - timedelta(minutes=30), timedelta(minutes=15)))) == ()


@pytest.mark.parametrize(("size", "in_use", "defrag"), [(1900, 600, True), (90, 30, False), (1900, 1000, False)])
def test_defrag_is_advised_if_the_command_would_do_it(size: int, in_use: int, defrag: bool) -> None:
    """`make defrag` leaves a member alone that would give back less than 100 MiB."""
    (finding,) = findings(member(size=size * MEBIBYTE, in_use=in_use * MEBIBYTE, quota=size * MEBIBYTE))
    assert ("`make defrag` gives it back" in finding.text) is defrag


def test_the_page_has_a_line_for_each_part() -> None:
    status = replace(HEALTHY, plan=Plan(("1 node to change",)))
    assert list(lines(status, findings(status))) == [
        "API           answers in 20 ms",
        "API servers   1 of 1 ready (cp-1 31 ms)",
        "etcd          1 of 1 ready (cp-1 12 ms), leader cp-1; 5 of 100 MiB, 3 MiB in use",
        "nodes         2 of 2 Ready; 0 pods not ready",
        "machines      2 of 2 tell their state; 2 of 2 units healthy",
        "versions      kubelet 1.37.1, etcd 3.7.2",
        "certificates  next: cp-1-apiserver, 2026-11-29",
        "snapshots     the newest is 10 minutes old",
        "disks         least room: 50 % of /var/lib/etcd on cp-1",
        "next up       1 node to change",
        "",
        "Worth knowing:",
        "- the machines are not as the page says: `make up STACK=dev` has 1 node to change",
        "",
        "Nobody has to act.",
    ]


def test_the_page_of_a_dead_cluster_is_a_page() -> None:
    """Nothing answers: the page says so for each part."""
    silent = tuple(Machine(name, silence="no route") for name in NODES)
    status = replace(
        HEALTHY, cluster=Cluster("refused"), machines=silent, certificates=(), plan=Plan(failure="refused")
    )
    page = list(lines(status, findings(status)))
    assert page[:4] == [
        "API           no answer",
        "API servers   0 of 0 ready",
        "etcd          no member answers",
        "nodes         unknown",
    ]
    assert page.count("Somebody has to act:") == 1 and "Nobody has to act." not in page
