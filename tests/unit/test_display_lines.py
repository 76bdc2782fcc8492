"""What a run shows of the engine's events: what is done, what runs, and what is waited for."""

import json

import pytest

from tools.common.errors import ToolError
from tools.operate.display.events import Event, read
from tools.operate.display.follow import Way, way
from tools.operate.display.lines import Plan, Progress

STAGE = ("command:remote:Command", "cp-1-stage")
KEY = ("tls:index:PrivateKey", "admin")
NODE = ("kubernetes:core/v1:Node", "node-cp-1")
PODS = ("kubernetes:apps/v1:DaemonSet", "flannel-daemons")


def event(kind: str, resource: tuple[str, str], operation: str = "create") -> Event:
    type_, name = resource
    urn = f"urn:pulumi:dev::hardway::hardway:etcd:EtcdCluster${type_}::{name}"
    found = read(json.dumps({"sequence": 1, kind: {"metadata": {"op": operation, "urn": urn, "type": type_}}}))
    assert found is not None
    return found


def begun(resource: tuple[str, str], operation: str = "create") -> Event:
    return event("resourcePreEvent", resource, operation)


def done(resource: tuple[str, str], operation: str = "create") -> Event:
    return event("resOutputsEvent", resource, operation)


def told(resource: tuple[str, str], message: str, severity: str = "info") -> Event | None:
    type_, name = resource
    content = {"urn": f"urn:pulumi:dev::hardway::hardway:etcd:EtcdCluster${type_}::{name}", "severity": severity}
    return read(json.dumps({"diagnosticEvent": {**content, "message": message, "ephemeral": True}}))


def test_a_node_has_a_line_when_its_phase_is_done() -> None:
    progress = Progress(begun=100)
    assert progress.feed(begun(STAGE), 102) == []
    assert progress.feed(done(STAGE), 107.5) == ["   7.5 s  cp-1 stage: done in 5.5 s"]
    assert progress.end(108) == []


@pytest.mark.parametrize(
    ("resource", "label"),
    [
        (("command:local:Command", "cp-1-machine"), "cp-1 machine"),
        (("aws:ec2/instance:Instance", "cp-1-machine"), "cp-1 machine"),
        (("command:remote:Command", "cp-1-activate"), "cp-1 activate"),
        (NODE, "cp-1 Ready"),
        (PODS, "flannel-daemons pods"),
        (("command:local:Command", "hosts-preflight"), "hosts-preflight"),
    ],
)
def test_the_label_names_node_and_phase(resource: tuple[str, str], label: str) -> None:
    progress = Progress(begun=0)
    progress.feed(begun(resource), 1)
    assert progress.feed(done(resource), 2) == [f"   2.0 s  {label}: done in 1.0 s"]


def test_keys_are_counted_and_told_before_the_next_line() -> None:
    progress = Progress(begun=0)
    other = ("tls:index:PrivateKey", "deployer")
    for key, at in ((KEY, 1), (other, 1.5)):
        progress.feed(begun(key), at)
    assert [progress.feed(done(key), 4) for key in (KEY, other)] == [[], []]
    progress.feed(begun(STAGE), 4)
    assert progress.feed(done(STAGE), 6) == [
        "   6.0 s  keys and certificates: 2 done in 3.0 s",
        "   6.0 s  cp-1 stage: done in 2.0 s",
    ]


def test_what_was_only_counted_is_told_at_the_end() -> None:
    progress = Progress(begun=0)
    progress.feed(begun(KEY), 1)
    progress.feed(done(KEY), 2)
    assert progress.end(3) == ["   3.0 s  keys and certificates: 1 done in 1.0 s"]


def test_a_line_says_what_a_node_waits_for() -> None:
    """After five seconds, and then every ten seconds, with the last message of the command."""
    progress = Progress(begun=0)
    progress.feed(begun(STAGE), 0)
    for message in ("cp-1: fetches etcd\n", "cp-1: fetches kubelet\n"):
        progress.feed(_some(told(STAGE, message)), 1)
    assert progress.beat(4.9) == []
    assert progress.beat(5) == ["   5.0 s  cp-1 stage: 5 s so far, cp-1: fetches kubelet"]
    assert progress.beat(14.9) == []
    assert progress.beat(15) == ["  15.0 s  cp-1 stage: 15 s so far, cp-1: fetches kubelet"]
    progress.feed(done(STAGE), 16)
    assert progress.beat(60) == []


def test_many_nodes_share_a_line_while_they_wait() -> None:
    progress = Progress(begun=0)
    for number in range(1, 9):
        progress.feed(begun(("command:remote:Command", f"worker-{number}-stage")), number / 10)
    assert progress.beat(6) == ["   6.0 s  stage: 8 run, the longest worker-1 stage: 6 s so far"]


def test_a_failure_and_a_removal_are_told() -> None:
    progress = Progress(begun=0)
    progress.feed(begun(STAGE), 1)
    assert progress.feed(event("resOpFailedEvent", STAGE), 4) == ["   4.0 s  cp-1 stage: failed after 3.0 s"]
    machine = ("command:local:Command", "cp-1-machine")
    progress.feed(begun(machine, "delete"), 5)
    assert progress.feed(done(machine, "delete"), 6) == ["   6.0 s  cp-1 machine, removal: done in 1.0 s"]


@pytest.mark.parametrize("operation", ["same", "read", "replace"])
def test_what_does_not_change_has_no_line(operation: str) -> None:
    """A replacement has steps of its own for what is made and what is deleted."""
    progress = Progress(begun=0)
    progress.feed(begun(STAGE, operation), 1)
    assert progress.feed(done(STAGE, operation), 2) == [] == progress.beat(99) == progress.end(99)


def test_components_and_providers_have_no_line() -> None:
    progress = Progress(begun=0)
    for resource in (
        ("hardway:etcd:EtcdCluster", "etcd"),
        ("pulumi:providers:tls", "default"),
        ("pulumi:pulumi:Stack", "s"),
    ):
        progress.feed(begun(resource), 1)
        assert progress.feed(done(resource), 2) == []
    assert progress.beat(99) == [] == progress.end(99)


def test_quiet_tells_each_phase_once_and_what_runs_once_a_minute() -> None:
    progress = Progress(begun=0, quiet=True)
    workers = [("command:remote:Command", f"worker-{number}-stage") for number in range(1, 6)]
    for number, worker in enumerate(workers):
        progress.feed(begun(worker), number)
    assert progress.feed(done(workers[0]), 10) == [] == progress.beat(59)
    assert progress.beat(60) == [
        "  60.0 s  worker-2 stage: 59 s so far; worker-3 stage: 58 s so far; worker-4 stage: 57 s so far; and 1 more"
    ]
    assert progress.beat(119) == []
    for worker in workers[1:]:
        assert progress.feed(done(worker), 120) == []
    assert progress.end(121) == [" 121.0 s  stage: 5 done in 120.0 s, the longest worker-2 with 119.0 s"]


def test_a_plan_counts_resources() -> None:
    plan = Plan(begun=0)
    for resource in (KEY, STAGE, ("hardway:etcd:EtcdCluster", "etcd")):
        plan.feed(begun(resource, "same"), 1)
        plan.feed(done(resource, "same"), 1)
    assert plan.beat(4) == []
    assert plan.beat(5) == ["plan: 2 resources, 5 s so far"]
    assert plan.beat(14) == [] == plan.end(14)


@pytest.mark.parametrize(
    "line", ["", "{", "[]", '"text"', '{"sequence": 1}', '{"preludeEvent": {"config": {}}}', '{"resourcePreEvent": {}}']
)
def test_a_line_about_no_resource_is_no_event(line: str) -> None:
    assert read(line) is None


def test_messages_for_debugging_are_no_events() -> None:
    assert told(NODE, "NodeHasSufficientPID: Node cp-1 status is now", severity="debug") is None


@pytest.mark.parametrize(
    ("variables", "arguments", "wanted"),
    [
        ({}, (), Way.PROGRESS),
        ({"CI": "true"}, (), Way.QUIET),
        ({"CI": "true", "HARDWAY_SHOW": "progress"}, (), Way.PROGRESS),
        ({"HARDWAY_SHOW": "all"}, (), Way.ALL),
        ({}, ("--diff",), Way.ALL),
        ({"CI": "true"}, ("--event-log", "here"), Way.ALL),
        ({}, ("--policy-pack", "policies", "--refresh"), Way.PROGRESS),
    ],
)
def test_who_decides_how_a_run_is_shown(
    variables: dict[str, str], arguments: tuple[str, ...], wanted: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CI", "HARDWAY_SHOW"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert way(arguments) is wanted


def test_another_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARDWAY_SHOW", "loud")
    with pytest.raises(ToolError, match="HARDWAY_SHOW: 'loud' is not allowed; allowed: progress, quiet, all"):
        way()


def _some(found: Event | None) -> Event:
    assert found is not None
    return found
