"""Limits of the page for slow machines: health checks, activations, the program's questions to the API."""

import json
import re
from pathlib import Path

import pytest
from clusters import NAMES, Cluster, cluster
from scratch_machine import ReleaseMachine

from components.node.release import Release
from tools.operate import slow

SLOW = {"rollout.answerTimeout": "20s"}
EXAMPLES = (*NAMES, "existing")


def checks(made: Cluster) -> dict[str, str]:
    """The health check of each unit of each node."""
    return {
        f"{node.name} {unit.name}": unit.health for node in made.topology.nodes for unit in made.part(node.name).units
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_question_of_a_health_check_has_the_time_of_the_page(name: str) -> None:
    usual, patient = checks(cluster(name)), checks(cluster(name, SLOW))
    asking = {unit for unit, text in usual.items() if "curl " in text or "ctr " in text}
    assert {unit.split()[1] for unit in asking} >= {"etcd.service", "kube-apiserver.service", "containerd.service"}
    assert {unit for unit in usual if usual[unit] != patient[unit]} == asking
    for unit in asking:
        text = patient[unit].replace("--max-time 20", "").replace("--connect-timeout 20s", "")
        assert "--max-time" not in text and "--connect-timeout" not in text
        assert patient[unit].count("20") >= usual[unit].count("--max-time")


@pytest.mark.parametrize(
    ("node", "file"), [("worker-1", "cfg/haproxy.cfg"), ("cp-1", "cfg/haproxy.cfg"), ("cp-1", "cfg/etcd-proxy.cfg")]
)
def test_checks_of_proxies_have_the_time_of_the_page(node: str, file: str) -> None:
    """An interval limits the handshake of a check, so none may be shorter than the time of the page."""

    def limits(change: dict[str, str]) -> list[str]:
        (found,) = (f.content for f in cluster("stacked", change).part(node).files if f.path == file)
        assert isinstance(found, str)
        return re.findall(r"(\w*inter|timeout connect|timeout check) (\w+)", found)

    usual, patient = limits({}), limits(SLOW)
    assert [name for name, _ in usual] == [name for name, _ in patient] and len(usual) >= 4
    assert {value for _, value in patient} == {"20s"}
    assert limits({"rollout.answerTimeout": "1s"}) == usual, "checks are never more hasty than usual"


def test_more_patience_restarts_nothing() -> None:
    before, after = cluster("stacked").release("cp-1"), cluster("stacked", SLOW).release("cp-1")
    assert isinstance(before, Release)
    assert before.digest != after.digest
    # Proxies read other intervals without a restart.
    assert {name: restart for name, (restart, _) in before.units.items()} == {
        name: restart for name, (restart, _) in after.units.items()
    }


# --- messages that tell slow from broken --------------------------------------------------------------------------


RUNS = "runs, and has not ended since its start"
SYSTEMCTL = """\
case $1 in
is-active) echo {state} ;;
show) case $3 in InvocationID) grep -c "restart.*$5" "$CALLS" ;; *) echo {restarts} ;; esac ;;
esac
"""


@pytest.mark.parametrize(
    ("state", "restarts", "processors", "said"),
    [
        ("active", 0, 16, RUNS),
        ("activating", 0, 16, RUNS),
        ("failed", 0, 16, None),
        ("active", 3, 16, None),
        ("inactive", 0, 16, None),
        # An API server that waits too long for its first objects ends by itself. The load is 7.25.
        ("activating", 3, 3, None),
        ("activating", 3, 2, "ends and is started again (3 times) on a machine with too much work"),
        ("active", 0, 2, RUNS),
    ],
)
def test_a_unit_that_runs_may_be_slow_and_not_broken(
    tmp_path: Path, state: str, restarts: int, processors: int, said: str | None
) -> None:
    machine = ReleaseMachine.with_two_releases(tmp_path)
    machine.program("systemctl", SYSTEMCTL.format(state=state, restarts=restarts))
    machine.program("nproc", f"echo {processors}")
    (machine.sysroot / "proc").mkdir(exist_ok=True)
    (machine.sysroot / "proc" / "loadavg").write_text("7.25 5.00 4.00 3/400 12345\n")
    machine.sick.write_text("two a.service\n")
    failed = machine.apply("activate", "two", HARDWAY_HEALTH_LIMIT="1")
    assert failed.returncode == 1 and "the machine is back on release one" in failed.stderr
    assert ("it may be slow and not broken" in failed.stderr) == bool(said), failed.stderr
    if said:
        assert f"unit a.service {said}: it may be slow and not broken. It had 1 s; " in failed.stderr
        assert "a load of 7.25. hardway:rollout.healthTimeout gives it more time" in failed.stderr


def event(urn: str, message: str) -> str:
    return json.dumps({"diagnosticEvent": {"urn": urn, "message": message, "severity": "error"}})


SCHEMA = (
    "configured Kubernetes cluster is unreachable: unable to load schema information from the API server: Get "
    '"https://10.0.0.1:6443/openapi/v2?timeout=32s": context deadline exceeded'
)
OBJECT = (
    'Patch "https://10.0.0.1/api/v1/a": net/http: request canceled (Client.Timeout exceeded while awaiting headers)'
)
BINDING = "urn:pulumi:dev::hardway::hardway:addons:Rbac$kubernetes:rbac.authorization.k8s.io/v1:ClusterRole::a"


@pytest.mark.parametrize("message", [SCHEMA, OBJECT])
def test_a_slow_api_is_told_from_a_broken_one(message: str) -> None:
    """The message about the schema is that of tests/integration/test_slow_api.py."""
    assert slow.sentences(event(BINDING, message), "dev") == [
        "the API did not finish an answer in the time that the program waits. If the machines are slow and not broken, "
        "hardway:rollout.apiTimeout gives them more time (32s if it is unset); `make up STACK=dev` continues"
    ]
    refused = 'Get "https://10.0.0.1:6443/openapi/v2": dial tcp 10.0.0.1:6443: connect: connection refused'
    assert slow.sentences(event(BINDING, refused), "dev") == []
    command = "urn:pulumi:dev::hardway::command:remote:Command::cp-1-activate"
    assert slow.sentences(event(command, OBJECT), "dev") == [], "not the API of the cluster"


@pytest.mark.parametrize(
    "message",
    ["timed out waiting for the condition", "'coredns' timed out waiting to be Ready"],
)
def test_slow_pods_are_told_from_broken_ones(message: str) -> None:
    """The messages are those of the awaiters of the Kubernetes provider, of nodes and of Deployments."""
    assert slow.sentences(event(BINDING, message), "dev") == [
        "a node or the pods of an add-on were not ready in the time that the program waits. If the machines are slow "
        "and not broken, hardway:rollout.healthTimeout gives them more time (5m for a node and 10m for pods if it is "
        "unset); `make up STACK=dev` continues"
    ]
    command = "urn:pulumi:dev::hardway::command:remote:Command::cp-1-activate"
    assert slow.sentences(event(command, message), "dev") == [], "not an object of the cluster"


def test_an_api_server_that_gives_up_is_told_from_a_broken_one() -> None:
    """The message is that of a virtual machine whose schema took longer than a minute."""
    message = (
        "configured Kubernetes cluster is unreachable: unable to load schema information from the API server: the "
        "server was unable to return a response in the time allotted, but may still be processing the request"
    )
    (said,) = slow.sentences(event(BINDING, message), "dev")
    assert "hardway:extraArgs.kube-apiserver.request-timeout gives it more time (1m if it is unset)" in said
    assert said.endswith("`make up STACK=dev` continues")
