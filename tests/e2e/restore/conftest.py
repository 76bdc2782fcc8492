"""The cluster of this suite: three control-plane nodes and a worker, with snapshots once a minute."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.e2e.restore.timeline import timed
from tests.e2e.restore.vault import Vault, vault
from tests.e2e.support import pods
from tests.e2e.support.cluster import Cluster, running
from tests.e2e.support.etcd import voters
from tests.e2e.support.process import Run
from tests.e2e.support.progress import Say
from tests.e2e.support.stack import Stack, laptop_page
from tests.e2e.support.units import Invocations, invocations, restarted
from tests.wait import eventually

NAME = "e2e-restore"
NODES = [
    *({"name": f"cp-{number}", "roles": ["etcd", "control-plane"]} for number in (1, 2, 3)),
    {"name": "worker-1", "roles": ["worker"]},
]
EVERY = 60
"""Seconds between two snapshots."""
WORK = "restore-work"
"""A namespace, and in it a deployment, its service and a Secret."""
PASSWORD = "never-in-plain-text"


@pytest.fixture(scope="session")
def without_backup(say: Say) -> Iterator[Cluster]:
    """The cluster before it takes snapshots: the place of the snapshots is in its network."""
    page = laptop_page(NAME) | {"hardway:nodes": NODES}
    with running(Stack(NAME, page, say)) as found:
        yield found


@pytest.fixture(scope="session")
def place(without_backup: Cluster) -> Iterator[Vault]:
    """The place of the snapshots."""
    with vault(without_backup) as found:
        yield found


@pytest.fixture(scope="session")
def cluster(without_backup: Cluster, place: Vault) -> Cluster:
    """The cluster with snapshots by SFTP, and with something to lose."""
    to(without_backup, place.sftp)
    make_work(without_backup)
    return without_backup


def make_work(cluster: Cluster) -> None:
    """Make something to lose."""
    kubectl = cluster.kubectl
    kubectl.apply(pods.namespace(WORK)).ok()
    kubectl.apply(pods.web(WORK, WORK, cluster.image, 2)).ok()
    kubectl.apply(pods.service(WORK, WORK, 8080)).ok()
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": WORK, "namespace": WORK},
            "stringData": {"password": PASSWORD},
        }
    ).ok()
    kubectl.rolled_out(WORK, WORK)


def to(cluster: Cluster, place: dict[str, Any]) -> None:
    """Let the cluster bring its snapshots to a place."""
    cluster.change({"hardway:backup": {"to": place, "every": f"{EVERY}s"}})
    cluster.up()


def backup(cluster: Cluster, expected: int = 0) -> Run:
    """Run `make backup`."""
    run = cluster.stack.make("backup")
    assert run.code == expected, run.tail()
    return run


def snapshots(cluster: Cluster) -> list[list[str]]:
    """Time and id of each snapshot, as `make backups` prints them."""
    run = cluster.stack.make("backups")
    assert run.code == 0, run.tail()
    return [line.split() for line in run.output.splitlines() if line.startswith("20")]


def restore(cluster: Cluster, expected: int = 0, **variables: str) -> Run:
    """Run `make restore`. The command edits the page."""
    with timed(cluster) as found:
        run = cluster.stack.make("restore", "", variables)
    read_page(cluster)
    assert run.code == expected, run.tail(60)
    if expected == 0:
        cluster.stack.say(f"  make restore took {run.seconds:.1f} s: {found.line()}")
    return run


def read_page(cluster: Cluster) -> None:
    """Let the suite know the restore that `make restore` has written to the page."""
    page = yaml.safe_load(cluster.stack.clone.page(cluster.stack.name).read_text())["config"]
    cluster.change({"hardway:restore": page.get("hardway:restore")})


def give_up(cluster: Cluster, earlier: Any) -> None:
    """Put the restore of an earlier test, or none, in the place of one that was refused, whose number the state has."""
    cluster.change({"hardway:restore": earlier})
    cluster.up()


def is_whole(cluster: Cluster) -> None:
    """The cluster works: three members vote, nodes are ready, pods run, the Secret reads, and `up` changes nothing."""
    assert set(voters(cluster.machines["cp-1"])) == {"cp-1", "cp-2", "cp-3"}
    ready = dict.fromkeys(cluster.machines, "True")
    eventually(lambda: _equal(cluster.readiness(), ready), 120, "all nodes are ready")
    for namespace, name in ((WORK, WORK), ("kube-system", "coredns")):
        cluster.kubectl.rolled_out(namespace, name)
    show = "--output=go-template={{.data.password|base64decode}}"
    assert cluster.kubectl("get", "secret", WORK, f"--namespace={WORK}", show).ok() == PASSWORD
    # A snapshot that was due while nothing could be taken has failed, until the timer looks again.
    eventually(lambda: _assert_no_unit_failed(cluster), EVERY, "no unit has failed")
    run = cluster.up()
    summary = run.output.partition("Resources:")[2].partition("Duration:")[0]
    assert summary.split()[1:] == ["unchanged"], run.tail()


def _assert_no_unit_failed(cluster: Cluster) -> None:
    for machine in cluster.machines.values():
        assert machine.run("systemctl --failed --no-legend --plain").ok() == "", machine.name


def _equal(found: object, wanted: object) -> None:
    assert found == wanted


def assert_nothing_restarted(cluster: Cluster, before: Invocations) -> None:
    """No unit was started, restarted or stopped, except for the unit that takes snapshots."""
    assert {key for key in restarted(before, invocations(cluster)) if key[1] != "etcd-backup"} == set()
