"""`make up`: the result when it returns, and what a second run does."""

import re
import stat
from dataclasses import replace

import pytest

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.process import ask
from tests.e2e.support.progress import Say


def test_all_is_there_when_up_returns(cluster: Cluster, say: Say) -> None:
    """Exit code 0, all nodes Ready, and DNS answers on every node, without further waiting."""
    if cluster.first_up is None:
        pytest.skip("the stack was found up")
    assert cluster.first_up.code == 0
    assert cluster.readiness() == dict.fromkeys(cluster.machines, "True")
    dns, api = (_address(cluster, *names) for names in (("kube-system", "kube-dns"), ("default", "kubernetes")))
    for machine in cluster.machines.values():
        assert machine.tool("dns", dns, "kubernetes.default.svc.cluster.local").ok().split() == [api], machine.name
    say(f"  first `make up`: {cluster.first_up.seconds:.1f} s")


def test_second_up_changes_nothing_and_dials_no_node(cluster: Cluster, say: Say) -> None:
    """No resource changes, and no connection is made to any sshd."""
    before = {name: _sshd_log(cluster, name) for name in cluster.machines}
    assert all("Accepted publickey" in log for log in before.values()), "the log shows no connection of the first run"
    run = cluster.stack.up()
    assert run.code == 0, run.tail()
    summary = run.output.partition("Resources:")[2].partition("Duration:")[0]
    assert re.fullmatch(r"\s*\d+ unchanged\s*", summary), run.tail()
    assert {name: _sshd_log(cluster, name) for name in cluster.machines} == before
    say(f"  second `make up`: {run.seconds:.1f} s")


def test_judged_runs(cluster: Cluster, say: Say) -> None:
    """A judged run that changes nothing is one preview; a plan that the policies refuse changes nothing."""
    judged = {"POLICIES": "policies", "LIMITS": "policies/config/dev.json"}
    (state,) = (path for path in cluster.stack.clone.state.glob(f".pulumi/stacks/*/{cluster.stack.name}.json"))
    before = state.read_bytes()
    run = cluster.stack.up(extra=judged)
    assert run.code == 0, run.tail()
    assert "no policy judges" not in run.output and state.read_bytes() == before
    say(f"  judged `make up` that changes nothing: {run.seconds:.1f} s")
    profiles = {"server": {"lifetime": "9000h", "renewBefore": "720h"}}
    pki = {**cluster.stack.page["hardway:pki"], "profiles": profiles}
    long = replace(cluster.stack, page={**cluster.stack.page, "hardway:pki": pki})
    refused = long.up(extra=judged)
    assert refused.code != 0 and "certificate-lifetime" in refused.output, refused.tail()
    assert state.read_bytes() == before


def test_name_servers_share_no_node(cluster: Cluster) -> None:
    """The name servers are on different machines, so DNS tolerates the loss of one, also right after the first `up`."""
    servers = cluster.kubectl.items("pods", "--namespace=kube-system", "--selector=k8s-app=kube-dns")
    nodes = [pod["spec"]["nodeName"] for pod in servers]
    assert len(nodes) == 2 and len(set(nodes)) == 2, nodes


def test_kubeconfig_is_readable_by_its_owner_only(cluster: Cluster) -> None:
    """The modes of the file and of every folder of the clone above it."""
    path = cluster.stack.kubeconfig
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(cluster.stack.clone.state.stat().st_mode) == 0o700


def test_etcd_output_is_a_command_line(cluster: Cluster) -> None:
    """The command in the output prints health, status and members of all three members."""
    answer = ask(["sh", "-c", cluster.stack.output("etcd")], timeout=60)
    members = cluster.having("etcd")
    health, status, listing = _tables(answer.ok())
    for machine in members:
        endpoint = f"https://{machine.address}:2379"
        assert health[endpoint]["HEALTH"] == "true"
        assert status[endpoint]["ERRORS"] == ""
    by_name = {row["NAME"]: row for row in listing.values()}
    assert {name: row["STATUS"] for name, row in by_name.items()} == {m.name: "started" for m in members}
    assert [row["IS LEADER"] for row in status.values()].count("true") == 1


def test_outputs_name_the_nodes(cluster: Cluster) -> None:
    """The output has the addresses of the machines."""
    nodes = cluster.stack.output("nodes")
    assert {name: node["address"] for name, node in nodes.items()} == {
        name: machine.address for name, machine in cluster.machines.items()
    }


def _address(cluster: Cluster, namespace: str, service: str) -> str:
    address: str = cluster.kubectl.get("service", service, f"--namespace={namespace}")["spec"]["clusterIP"]
    return address


def _sshd_log(cluster: Cluster, name: str) -> str:
    return cluster.machines[name].run("journalctl --unit ssh.service --output short-iso-precise --no-pager").ok()


def _tables(text: str) -> list[dict[str, dict[str, str]]]:
    """Rows by their first column, each a mapping from column to value, for every table that etcdctl printed."""
    tables: list[dict[str, dict[str, str]]] = []
    columns: list[str] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split("[|│]", line)[1:-1]]
        if not cells:
            continue
        if cells[0] in ("ENDPOINT", "ID"):
            columns = cells
            tables.append({})
        else:
            tables[-1][cells[0]] = dict(zip(columns, cells, strict=True))
    return tables
