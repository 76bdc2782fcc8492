"""The layout of `Pulumi.onprem.yaml` on unprepared hosts."""

import dataclasses
import re

from tests.e2e.onprem.pages import NODES
from tests.e2e.onprem.site import Site
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.process import ask
from tests.e2e.support.progress import Say
from tests.wait import eventually


def test_all_nodes_are_ready_when_up_returns(cluster: Cluster, say: Say) -> None:
    """The first `up` succeeds after a failed preflight, and every node is Ready."""
    assert cluster.first_up is not None
    all_ready(cluster)
    say(f"  first `make up`: {cluster.first_up.seconds:.1f} s")


def test_programs_were_installed_and_nothing_else_was_started(cluster: Cluster, place: Site) -> None:
    """The program haproxy is installed. Debian's service for haproxy is neither running nor enabled."""
    assert cluster.first_up is not None
    for host in place.hosts.values():
        assert host.run("command -v haproxy nft iptables conntrack curl").code == 0, host.name
        assert host.run("systemctl is-enabled haproxy.service").stdout.strip() == "disabled", host.name
        assert host.run("systemctl is-active haproxy.service").stdout.strip() == "inactive", host.name
        assert host.run("systemctl is-active kubernetes-api-proxy.service").code == 0, host.name


def test_second_up_changes_nothing_and_dials_no_host(cluster: Cluster, place: Site, say: Say) -> None:
    """No resource changes, and no connection is made to any sshd."""
    before = {name: _logins(place, name) for name in NODES}
    assert all(before.values())
    run = cluster.stack.up()
    assert run.code == 0, run.tail()
    summary = run.output.partition("Resources:")[2].partition("Duration:")[0]
    assert re.fullmatch(r"\s*\d+ unchanged\s*", summary), run.tail()
    assert {name: _logins(place, name) for name in NODES} == before
    say(f"  second `make up`: {run.seconds:.1f} s")


def test_a_host_that_does_not_answer_is_named_and_the_next_up_goes_on(cluster: Cluster, place: Site, say: Say) -> None:
    """A dead host ends the change with one error that names it. No node activates anything, and no step runs twice."""
    change = {"hardway:extraConfig": {"kube-proxy": {"nftables": {"minSyncPeriod": "2s"}}}}
    stack = dataclasses.replace(cluster.stack, page={**cluster.stack.page, **change})
    *alive, dead = NODES
    before = {name: _release(place, name) for name in alive}
    place.hosts[dead].kill()
    try:
        failed = stack.up()
    finally:
        place.hosts[dead].start()
    assert failed.code != 0 and "Traceback" not in failed.output, failed.tail()
    errors = {line.strip() for line in failed.output.splitlines() if line.strip().startswith("error: dial")}
    assert len(errors) == 1, failed.tail()
    (told,) = errors
    assert re.search(rf"{place.address(dead)}:22: after \d+ failed attempts: ", told), told
    assert f"{dead}-stage" in failed.output
    say(f"  after {failed.seconds:.1f} s: {told}")
    assert {name: _release(place, name) for name in alive} == before, "a change has begun before all hosts were there"
    eventually(lambda: place.hosts[dead].run("systemctl is-active ssh.service").ok(), 60, f"{dead} boots")
    logins = {name: _logins(place, name) for name in NODES}
    run = stack.up()
    assert run.code == 0, run.tail()
    assert all(_release(place, name) != before[name] for name in alive)
    # The dead host is staged and activated now. The other hosts were staged before.
    expected = dict.fromkeys(alive, 1) | {dead: 2}
    assert {name: _logins(place, name) - logins[name] for name in NODES} == expected
    say(f"  next `make up`: {run.seconds:.1f} s")
    # No pod is scheduled on the node until its kubelet reports again.
    eventually(lambda: all_ready(cluster), 60, f"{dead} is Ready again")


def test_etcd_output_goes_by_ssh(cluster: Cluster, place: Site) -> None:
    """The output names host, user and bastion. The operator's SSH client verifies the host keys."""
    command = cluster.stack.output("etcd")
    assert command.startswith("ssh -p 22 -i ")
    known = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    jump = f"-o ProxyCommand='ssh {known} -i {place.key_file} -p {place.bastion_port} -W %h:%p root@127.0.0.1'"
    straight = re.sub(r" -J \S+ ", f" {known} {jump} ", command)
    answer = ask(["sh", "-c", straight], timeout=60)
    assert answer.ok().count("true") >= 3, answer.text
    assert all(f"https://{place.address(name)}:2379" in answer.stdout for name in NODES)


def all_ready(cluster: Cluster) -> None:
    assert cluster.readiness() == dict.fromkeys(NODES, "True")


def _logins(place: Site, name: str) -> int:
    log = place.hosts[name].run("journalctl --unit ssh.service --no-pager").ok()
    return log.count("Accepted publickey")


def _release(place: Site, name: str) -> str:
    return place.hosts[name].run("readlink /opt/kubernetes/current").ok()
