"""Each kind of loss: a writer numbers its objects, something is lost, and the cluster comes back from a snapshot."""

import time

import pytest

from tests.e2e.restore.conftest import EVERY, WORK, assert_nothing_restarted, backup, is_whole, restore, snapshots, to
from tests.e2e.restore.vault import FOLDER, Vault
from tests.e2e.restore.writer import Writer, writing
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.process import ask
from tests.e2e.support.progress import Say
from tests.e2e.support.units import invocations
from tests.wait import eventually

PAUSE = 15
"""Seconds of writing between a snapshot and the loss."""


@pytest.mark.proves_changes("restore")
def test_majority_of_etcd_lost(cluster: Cluster, say: Say) -> None:
    """Two of three members lose their data. The machines live."""
    with writing(cluster) as writer:
        backup(cluster)
        time.sleep(PAUSE)
        for name in ("cp-2", "cp-3"):
            cluster.machines[name].run("systemctl stop etcd && rm -rf /var/lib/etcd/member").ok()
        lost_at = time.monotonic()
    restore(cluster, SNAPSHOT="latest")
    assert_lost_at_most(writer, lost_at, say)
    is_whole(cluster)


def test_majority_of_machines_gone(cluster: Cluster, say: Say) -> None:
    """Two of three machines of the control plane are gone for good. The third one keeps its data aside."""
    with writing(cluster) as writer:
        backup(cluster)
        time.sleep(PAUSE)
        remove(cluster, "cp-2", "cp-3")
        lost_at = time.monotonic()
    restore(cluster, SNAPSHOT="latest", MACHINES="cp-2,cp-3")
    assert_lost_at_most(writer, lost_at, say)
    cluster.machines["cp-1"].run("test -d /var/lib/etcd/before-restore-*/member").ok()
    is_whole(cluster)


def test_majority_and_the_place_of_the_snapshots_lost(cluster: Cluster, place: Vault, say: Say) -> None:
    """A person has a copy of a snapshot in a file, and restores the file. Nothing asks the place."""
    with writing(cluster) as writer:
        backup(cluster)
        file = cluster.stack.folder / "snapshot.tar"
        file.write_bytes(place.copy(cluster.stack.output("backupPassword")))
        time.sleep(PAUSE)
        place.machine.run(f"mv {FOLDER} {FOLDER}.away").ok()
        for name in ("cp-1", "cp-2"):
            cluster.machines[name].run("systemctl stop etcd && rm -rf /var/lib/etcd/member").ok()
        lost_at = time.monotonic()
    try:
        restore(cluster, SNAPSHOT=str(file))
    finally:
        place.machine.run(f"mv {FOLDER}.away {FOLDER}").ok()
    assert_lost_at_most(writer, lost_at, say)
    is_whole(cluster)


@pytest.mark.proves_changes("backup")
def test_back_to_an_earlier_time(cluster: Cluster, place: Vault, say: Say) -> None:
    """On a healthy cluster, with snapshots in S3: what was made after the time is gone, what was deleted is there."""
    units = invocations(cluster)
    to(cluster, place.s3)
    assert_nothing_restarted(cluster, units)
    cluster.kubectl("create", "configmap", "deleted-later", f"--namespace={WORK}").ok()
    backup(cluster)
    moment = f"{snapshots(cluster)[-1][0]}Z"
    newest = int(cluster.kubectl.get("namespace", WORK)["metadata"]["resourceVersion"])
    cluster.kubectl("create", "configmap", "of-the-future", f"--namespace={WORK}").ok()
    cluster.kubectl("delete", "configmap", "deleted-later", f"--namespace={WORK}").ok()
    backup(cluster)
    restore(cluster, SNAPSHOT=moment, CONFIRM=cluster.stack.name)
    names = {item["metadata"]["name"] for item in cluster.kubectl.items("configmaps", f"--namespace={WORK}")}
    assert "deleted-later" in names and "of-the-future" not in names
    cluster.kubectl("create", "configmap", "after", f"--namespace={WORK}").ok()
    now = int(cluster.kubectl.get("configmap", "after", f"--namespace={WORK}")["metadata"]["resourceVersion"])
    assert now > newest, "resource versions go forward, so that no client reads the past"
    is_whole(cluster)


def test_control_plane_gone(cluster: Cluster, say: Say) -> None:
    """All machines of the control plane are gone, with their data. Pods on the worker run on."""
    with writing(cluster) as writer:
        backup(cluster)
        time.sleep(PAUSE)
        remove(cluster, "cp-1", "cp-2", "cp-3")
        lost_at = time.monotonic()
    boots = cluster.machines["worker-1"].read("/proc/sys/kernel/random/boot_id")
    restore(cluster, SNAPSHOT="latest", MACHINES="cp-1,cp-2,cp-3")
    assert cluster.machines["worker-1"].read("/proc/sys/kernel/random/boot_id") == boots
    assert_lost_at_most(writer, lost_at, say)
    is_whole(cluster)


def test_everything_gone(cluster: Cluster, say: Say) -> None:
    """All machines are gone. Page, state and snapshots make the cluster again."""
    with writing(cluster) as writer:
        backup(cluster)
        time.sleep(PAUSE)
        remove(cluster, *cluster.machines, "gateway")
        lost_at = time.monotonic()
    restore(cluster, SNAPSHOT="latest", MACHINES="all")
    assert_lost_at_most(writer, lost_at, say)
    is_whole(cluster)


def test_the_machine_that_restored_joins_when_it_is_replaced(cluster: Cluster, say: Say) -> None:
    """The restore stays on the page, and a new machine does not bring the old snapshot back."""
    cluster.kubectl("create", "configmap", "after-the-restore", f"--namespace={WORK}").ok()
    run = cluster.stack.replace("cp-1")
    assert run.code == 0, run.tail()
    cluster.__dict__.pop("machines", None)
    say(f"  make replace took {run.seconds:.1f} s")
    cluster.kubectl.get("configmap", "after-the-restore", f"--namespace={WORK}")
    is_whole(cluster)


def remove(cluster: Cluster, *names: str) -> None:
    """Remove machines and their data, as a fire does."""
    engine, lab = cluster.machines["worker-1"].engine, cluster.stack.lab.name
    for name in names:
        ask([*engine, "rm", "--force", "--volumes", "--time", "0", f"{lab}-{name}"]).ok()
        ask([*engine, "volume", "rm", "--force", f"{lab}-{name}"]).ok()


def assert_lost_at_most(writer: Writer, lost_at: float, say: Say) -> None:
    """The oldest lost object is at most as old as the time between two snapshots, at the moment of the loss."""
    lost = eventually(writer.lost, 60, "objects are listed")
    age = lost_at - min((writer.acknowledged[number] for number in lost), default=lost_at)
    say(f"  lost {len(lost)} of {len(writer.acknowledged)} objects; the oldest was {age:.1f} s old")
    assert lost, "nothing was written after the snapshot: the test proves nothing"
    assert age <= EVERY
