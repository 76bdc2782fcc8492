"""`make cis`: what kube-bench says of a running cluster."""

import json
import shlex
from typing import Any

import pytest

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.process import Answer, ask
from tests.e2e.support.progress import Say, stopwatch

LIMIT_SECONDS = 1800
"""The first run builds kube-bench."""
FOLDERS = "ls -A /opt/kubernetes | grep '^[.]cis-' || true"


@pytest.fixture(scope="module")
def judged(cluster: Cluster, say: Say) -> Answer:
    """One run for all tests."""
    elapsed = stopwatch()
    answer = _cis(cluster, "JSON=1")
    say(f"  make cis after {elapsed():.1f} s: {_facts(answer)['summary']}")
    return answer


def test_every_control_passes_or_is_answered(judged: Answer) -> None:
    """The exit status is 0, and nothing is open."""
    found = _facts(judged)
    still = {control["id"]: control["problems"] for control in found["controls"] if control["problems"]}
    assert (still, found["silent"], judged.code) == ({}, {}, 0)


def test_every_machine_was_judged(cluster: Cluster, judged: Answer) -> None:
    """Controls of each part of the benchmark have findings of the machines that they concern."""
    controls = {control["id"]: control for control in _facts(judged)["controls"]}
    assert len(controls) > 100
    of_role = {role: {machine.name for machine in cluster.having(role)} for role in ("control-plane", "etcd")}
    assert controls["1.2.2"]["findings"].keys() == of_role["control-plane"]
    assert controls["2.1"]["findings"].keys() == of_role["etcd"]
    assert controls["4.2.1"]["findings"].keys() == cluster.machines.keys()


def test_no_control_fails(judged: Answer) -> None:
    """Also none that the project has an answer for. The two others are about files that no machine has."""
    controls = {control["id"]: control for control in _facts(judged)["controls"]}
    of_state = {state: {id_ for id_, c in controls.items() if c["state"] == state} for state in ("FAIL", "N/A")}
    assert of_state == {"FAIL": set(), "N/A": {"1.1.13", "1.1.14"}}


def test_kube_bench_reads_the_files_and_flags_of_hardway(judged: Answer) -> None:
    """Controls that kube-bench can only find fulfilled if it finds files, flags and processes."""
    controls = {control["id"]: control for control in _facts(judged)["controls"]}
    seen = (
        "1.1.1",
        "1.1.3",
        "1.1.11",
        "1.1.12",
        "1.1.15",
        "1.1.17",
        "1.1.19",
        "1.1.20",
        "1.2.14",
        "1.3.2",
        "1.4.1",
        "2.2",
        "4.1.1",
        "4.1.9",
        "4.2.1",
    )
    assert {control: controls[control]["state"] for control in seen} == dict.fromkeys(seen, "PASS")


def test_nothing_stays_on_a_machine(cluster: Cluster, judged: Answer) -> None:
    assert {name: machine.run(FOLDERS).ok() for name, machine in cluster.machines.items()} == dict.fromkeys(
        cluster.machines, ""
    )


def test_a_machine_that_became_weaker_is_told(cluster: Cluster, judged: Answer) -> None:
    """A FAIL without an answer, and an answer that does not hold any more: the page names the machine."""
    worker, master = cluster.having("worker")[0], cluster.having("control-plane")[0]
    config, key = "/opt/kubernetes/cfg/kubelet.json", "/opt/kubernetes/ssl/kube-scheduler/client.key"
    worker.run(f"chmod 0666 {shlex.quote(config)}").ok()
    master.run(f"chmod 0644 {shlex.quote(key)}").ok()
    try:
        answer = _cis(cluster)
    finally:
        worker.run(f"chmod 0600 {shlex.quote(config)}").ok()
        master.run(f"chmod 0640 {shlex.quote(key)}").ok()
    assert answer.code != 0
    # The page breaks long lines.
    act = " ".join(answer.stdout.partition("Somebody has to act:")[2].split())
    assert f"- 4.1.9 {worker.name}: FAIL without an answer: permissions=666" in act, act
    assert f"- 1.1.21 {master.name}: the measurement shows that the answer does not hold: is neither of mode" in act, (
        act
    )


def _cis(cluster: Cluster, *options: str) -> Answer:
    command, environment = cluster.stack.starting("cis")
    return ask([*command, *options], cwd=cluster.stack.clone.root, env=environment, timeout=LIMIT_SECONDS)


def _facts(answer: Answer) -> Any:
    assert answer.stdout.startswith("{"), answer.stderr
    return json.loads(answer.stdout)
