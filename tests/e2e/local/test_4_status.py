"""`make status`: the page of health, and its exit status."""

import json
from typing import Any

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.process import Answer, ask
from tests.e2e.support.progress import Say, stopwatch
from tests.wait import becomes


def test_nobody_has_to_act(cluster: Cluster, say: Say) -> None:
    """All that the page shows is there, and the next `up` would change nothing."""
    elapsed = stopwatch()
    becomes(lambda: _facts(_status(cluster, "QUICK=1"))["act"], [], 60, "nobody has to act")
    answer = _status(cluster)
    say(f"  make status after {elapsed():.1f} s")
    found = _facts(answer)
    assert (answer.code, found["act"]) == (0, [])
    assert found["nextUp"] == {"changes": [], "failure": ""}
    machines = {machine["node"]: machine for machine in found["machines"]}
    assert machines.keys() == cluster.machines.keys()
    assert {node["name"] for node in found["api"]["nodes"] if node["isReady"]} == cluster.machines.keys()
    members = [machines[machine.name]["member"] for machine in cluster.having("etcd")]
    assert len({member["id"] for member in members}) == 3 and len({member["leader"] for member in members}) == 1
    assert all(0 < member["inUse"] <= member["size"] < member["quota"] for member in members)
    for machine in cluster.machines.values():
        units = {unit["name"] for unit in machines[machine.name]["units"]}
        assert {"kubelet.service", "containerd.service"} <= units


def test_a_stopped_unit_and_a_dead_machine_are_told(cluster: Cluster) -> None:
    """The exit status is not 0, and the page says where to look."""
    master, worker = cluster.having("control-plane")[1], cluster.having("worker")[1]
    master.run("systemctl stop kube-scheduler").ok()
    worker.kill()
    try:
        answer = _status(cluster, "QUICK=1")
        page = _status(cluster, "QUICK=1", as_json=False)
    finally:
        worker.start()
        master.run("systemctl start kube-scheduler").ok()
    text, lines = "\n".join(_facts(answer)["act"]), page.stdout.partition("Somebody has to act:")[2]
    assert answer.code != 0 and page.code != 0
    assert f"machine {master.name}: kube-scheduler.service: " in text, text
    assert f"machine {worker.name} does not tell its state: " in text, text
    # Not the whole message: it is that of another request, and may have other milliseconds.
    assert f"machine {master.name}: kube-scheduler.service: " in lines, page.stdout
    becomes(lambda: set(cluster.readiness().values()), {"True"}, 120, "all nodes are Ready again")
    becomes(lambda: _facts(_status(cluster, "QUICK=1"))["act"], [], 60, "nobody has to act any more")


def _status(cluster: Cluster, *options: str, as_json: bool = True) -> Answer:
    command, environment = cluster.stack.starting("status")
    more = ["JSON=1"] if as_json else []
    return ask([*command, *options, *more], cwd=cluster.stack.clone.root, env=environment, timeout=120)


def _facts(answer: Answer) -> Any:
    return json.loads(answer.stdout)
