"""What goes wrong with a place in S3: one sentence that names the cause, and the cluster and its snapshots stay."""

import os
import re

import pytest

from tests.e2e.restore.conftest import WORK, assert_nothing_restarted, backup, give_up, restore, snapshots, to
from tests.e2e.restore.vault import Vault
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.s3_server import SECRET
from tests.e2e.support.units import invocations


@pytest.fixture(scope="module")
def in_s3(cluster: Cluster, place: Vault) -> Cluster:
    """The cluster with snapshots in S3, of which there is one."""
    to(cluster, place.s3)
    backup(cluster)
    return cluster


def refused(cluster: Cluster, *said: str) -> None:
    """`make backup`, `make backups` and `make restore` fail, say why, and change nothing."""
    units, earlier = invocations(cluster), cluster.stack.page.get("hardway:restore")
    try:
        told = [backup(cluster, expected=2).output, cluster.stack.make("backups").output]
        run = restore(cluster, expected=2, SNAPSHOT="latest", CONFIRM=cluster.stack.name)
        assert "Nothing was changed" in run.output
        for text in (*told, run.output):
            for each in said:
                assert each in re.sub(r"\s+", " ", text), text
    finally:
        give_up(cluster, earlier)
    assert_nothing_restarted(cluster, units)


def test_a_bucket_that_is_gone(in_s3: Cluster, place: Vault) -> None:
    """Nobody makes it anew: an empty bucket under the old name would look like a place without snapshots."""
    place.server.on_disk("mv snapshots away")
    try:
        refused(in_s3, "The specified bucket does not exist")
        assert place.server.on_disk("ls") == "away\n"
    finally:
        place.server.on_disk("mv away snapshots")
    assert snapshots(in_s3)


def test_wrong_credentials(in_s3: Cluster, place: Vault) -> None:
    """The server knows another secret than the page."""
    known = snapshots(in_s3)[-1]
    exchange(place, "another-secret")
    try:
        refused(in_s3, "signature we calculated does not match")
    finally:
        exchange(place, SECRET)
    assert known in snapshots(in_s3)


def exchange(place: Vault, secret: str) -> None:
    """Restart the server with another access key. The buckets stay."""
    place.server.stop()
    place.server.secret = secret
    place.server.start()


def test_a_full_disk(in_s3: Cluster, place: Vault) -> None:
    """No snapshot is taken, and those that are there can be listed; then there is room again."""
    known = snapshots(in_s3)[-1]
    place.server.on_disk("head -c 1G /dev/zero >filler || test $(df --output=avail . | tail -n 1) -eq 0")
    try:
        # A timer may remove an old snapshot, so the next one has to be larger than that.
        for number in range(4):
            data = {"random": os.urandom(450_000).hex()}
            meta = {"name": f"big-{number}", "namespace": WORK}
            manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
            in_s3.kubectl.create(manifest).ok()
        run = backup(in_s3, expected=2)
        assert "does not take the snapshot" in run.output and "No space left on device" in run.output, run.tail()
        assert known in snapshots(in_s3)
    finally:
        place.server.on_disk("rm filler")
        names = [f"configmap/big-{number}" for number in range(4)]
        in_s3.kubectl("delete", *names, f"--namespace={WORK}", "--ignore-not-found").ok()
    backup(in_s3)
    assert snapshots(in_s3)[-1] != known
