"""A host that runs its release and for which nothing changes is noted, and stops no change of other hosts."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from components.machines.clocks import Offset
from components.machines.inspected import record, unchanged
from components.machines.preflight import Inspection, Report, Target, findings_of, set_aside
from components.machines.ssh import Route, refusal

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
ADDRESSES = {"cp-1": "192.168.10.1", "worker-1": "192.168.10.11", "worker-2": "192.168.10.12"}
FULL = "/var/lib has 12 MiB free; allowed: at least 4096"
GONE = "cannot be reached at 192.168.10.11:22: No route to host"
PEER = "cannot reach 192.168.10.11:10250: no answer within 4 s; is there a firewall?"
OTHER_PEER = "cannot reach 192.168.10.12:10250: no answer within 4 s; is there a firewall?"


def inspection(**needs: str) -> Inspection:
    """An inspection of the hosts, with further needs of each host."""
    targets = [
        Target(name, Route(address, 22, "root", KEY), {"ADDRESS": address, "PEERS": "192.168.10.1:6443", **needs})
        for name, address in ADDRESSES.items()
    ]
    return Inspection(tuple(targets), None, None)


def report(name: str, *findings: str, runs: str = "", cluster: str = "1") -> Report:
    """The report of a host that answered. `runs` is the node that the host runs."""
    node = {"node": f"{runs} dev", "cluster-id": cluster} if runs else {}
    facts = {"hostname": name, "machine-id": f"id of {name}", **node}
    return Report(name, facts, findings, Offset(0, 1))


def silent(name: str) -> Report:
    """The report of a host that did not answer."""
    return Report(name, {}, (GONE,), silent=True)


def judged(reports: list[Report], same: set[str]) -> tuple[list[str], list[str]]:
    """Findings and notes."""
    left, notes = set_aside(reports, same, ADDRESSES)
    return findings_of(left), notes


def test_a_full_worker_that_runs_is_noted() -> None:
    reports = [report("cp-1", runs="cp-1"), report("worker-1", FULL, runs="worker-1"), report("worker-2")]
    assert judged(reports, {"cp-1", "worker-1"}) == ([], [f"worker-1: {FULL}"])


def test_a_new_host_is_looked_at_strictly() -> None:
    reports = [report("cp-1", runs="cp-1"), report("worker-2", FULL)]
    assert judged(reports, {"cp-1"}) == ([f"worker-2: {FULL}"], [])
    # The host was inspected before, but it runs nothing: it was installed again, or the run ended before.
    assert judged(reports, {"cp-1", "worker-2"}) == ([f"worker-2: {FULL}"], [])


def test_a_host_for_which_something_changes_is_looked_at_strictly() -> None:
    reports = [report("cp-1", runs="cp-1"), report("worker-1", FULL, runs="worker-1")]
    assert judged(reports, {"cp-1"}) == ([f"worker-1: {FULL}"], [])


def test_a_dead_host_is_noted_once_and_no_host_has_to_reach_it() -> None:
    reports = [report("cp-1", PEER, runs="cp-1"), silent("worker-1"), report("worker-2", PEER)]
    assert judged(reports, {"cp-1", "worker-1"}) == ([], [f"worker-1: {GONE}"])


def test_a_new_host_that_does_not_answer_is_a_finding_and_so_is_a_firewall() -> None:
    assert judged([report("cp-1", runs="cp-1"), silent("worker-1")], {"cp-1"}) == ([f"worker-1: {GONE}"], [])
    reports = [report("cp-1"), silent("worker-1"), report("worker-2", OTHER_PEER)]
    assert judged(reports, {"worker-1"}) == ([f"worker-2: {OTHER_PEER}"], [f"worker-1: {GONE}"])


def test_if_nobody_answers_then_the_network_is_the_problem() -> None:
    reports = [silent(name) for name in ADDRESSES]
    assert judged(reports, set(ADDRESSES)) == ([f"{name}: {GONE}" for name in ADDRESSES], [])


def test_another_node_is_never_only_noted() -> None:
    reports = [report("cp-1", runs="cp-1"), report("worker-1", runs="worker-9")]
    found, notes = judged(reports, set(ADDRESSES))
    assert found == [
        "worker-1: the host is the node worker-9; take worker-9 off the page and run `up`, then add worker-1"
    ]
    assert notes == []
    reports = [report("cp-1", runs="cp-1"), report("worker-1", runs="worker-1", cluster="2")]
    assert len(judged(reports, set(ADDRESSES))[0]) == 1


@pytest.mark.parametrize(
    ("said", "dead"),
    [
        ("ssh: connect to host 192.168.10.11 port 22: No route to host\n", True),
        ("ssh: connect to host 192.168.10.11 port 22: Connection refused\n", True),
        ("Host key verification failed.\r\n", False),
        ("root@192.168.10.11: Permission denied (publickey).\n", False),
    ],
)
def test_a_wrong_key_and_a_refused_login_are_answers(said: str, dead: bool) -> None:
    assert refusal("worker-1", Route("192.168.10.11", 22, "root", KEY), None, 255, said).silent is dead


def test_the_record_is_about_the_host_itself_not_about_other_hosts() -> None:
    before = inspection()
    kept = f"something else\n{record(before.digests())}\n"
    assert unchanged(before.digests(), kept) == set(ADDRESSES)
    assert unchanged(inspection(PEERS="192.168.10.1:6443 192.168.10.2:6443").digests(), kept) == set(ADDRESSES)
    assert unchanged(inspection(PORTS="6443:kube-apiserver.service").digests(), kept) == set()
    first = before.targets[0]
    reinstalled = replace(first, route=replace(first.route, host_key=KEY[:-1] + "B"))
    assert unchanged(replace(before, targets=(reinstalled, *before.targets[1:])).digests(), kept) == {
        "worker-1",
        "worker-2",
    }


@pytest.mark.parametrize("text", ["", "fit for a cluster: cp-1, worker-1\n"])
def test_without_a_record_every_host_is_new(text: str) -> None:
    assert unchanged(inspection().digests(), text) == set()


def test_the_program_leaves_its_record_on_standard_error() -> None:
    command = [sys.executable, "-S", "components/machines/preflight.py"]
    text, root = Inspection((), None, None).to_json(), Path(__file__).parents[2]
    done = subprocess.run(command, input=text, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert done.stderr == record({}) + "\n"
