"""Snapshots are taken, by one member at a time, encrypted, and soon enough without the timer of a member."""

import json
import time
from datetime import datetime
from itertools import pairwise

from tests.e2e.restore.conftest import EVERY, PASSWORD, backup, snapshots
from tests.e2e.restore.vault import FOLDER, Vault
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.machines import Machine
from tests.e2e.support.progress import Say
from tests.wait import eventually


def test_backup_takes_a_snapshot_and_reads_it_back(cluster: Cluster, place: Vault, say: Say) -> None:
    """`make backup` prints the revision, the size and the time; the snapshot is listed."""
    before = snapshots(cluster)
    run = backup(cluster)
    told = [line for line in run.output.splitlines() if "read back" in line]
    say(f"  {'; '.join(told)}; make backup took {run.seconds:.1f} s")
    assert len(told) == 2, run.tail()
    assert len(snapshots(cluster)) > len(before)


def test_the_state_is_in_the_place(cluster: Cluster, place: Vault) -> None:
    """What restic gives back is what `pulumi stack import` reads, with the secrets encrypted."""
    password = cluster.stack.output("backupPassword")
    text = place.state(password).decode()
    assert len(json.loads(text)["deployment"]["resources"]) > 50
    assert password not in text


def test_the_place_sees_nothing_of_the_cluster(cluster: Cluster, place: Vault) -> None:
    """Files in the place contain no name of an object and no Secret."""
    for text in ("kube-system", PASSWORD):
        assert place.machine.run(f"grep -rqF '{text}' {FOLDER}").code == 1, text


def test_a_timer_takes_snapshots(cluster: Cluster, say: Say) -> None:
    """Without the timer of one member, no snapshot is later than the page says, and there are not three at a time."""
    start, down = time.monotonic(), cluster.machines["cp-2"]
    down.run("systemctl stop etcd-backup.timer").ok()
    known = len(snapshots(cluster))
    eventually(lambda: _at_least(snapshots(cluster), known + 2), 2 * EVERY + 20, "two more snapshots", every=3)
    times = [datetime.fromisoformat(line[0]) for line in snapshots(cluster)[-3:]]
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    say(f"  {gaps} s between snapshots; looked for {time.monotonic() - start:.0f} s")
    assert max(gaps) <= EVERY
    assert min(gaps) >= EVERY / 3, "two members took a snapshot at the same time"
    down.run("systemctl start etcd-backup.timer").ok()
    for machine in cluster.having("etcd"):
        eventually(lambda machine=machine: _is_young(machine), EVERY, f"{machine.name} knows the last snapshot")


def _at_least(found: list[list[str]], number: int) -> None:
    assert len(found) >= number, found


def _is_young(machine: Machine) -> None:
    metric = machine.read("/var/lib/hardway-backup/hardway_backup.prom").split()[-1]
    assert abs(time.time() - float(metric)) < 2 * EVERY
