"""etcd is full: the alarm NOSPACE stands, the API is read all the time, and there are two ways out."""

import re
from collections.abc import Iterator

import pytest

from components.config.etcd import MEBIBYTE
from components.node.render.etcd import etcdctl
from tests.e2e.restore.conftest import WORK, backup, is_whole
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.progress import Say
from tests.e2e.support.watch import Watch, watching
from tests.wait import eventually

QUOTA = 64 * MEBIBYTE
_ROUNDS = 400
"""Writes of 1 MiB at most. Each replaces one of three keys, so that a compaction frees most of what they took."""


@pytest.fixture
def small(cluster: Cluster) -> Cluster:
    """The cluster with a small quota."""
    if "hardway:etcd" not in cluster.stack.page:
        cluster.change({"hardway:etcd": {"quotaBackendBytes": QUOTA}})
        cluster.up()
    return cluster


@pytest.fixture
def reads(small: Cluster, say: Say) -> Iterator[Watch]:
    """Reads at the endpoint and through a proxy. The test ends them."""
    with watching(small, ("cp-1",), [], say) as watch:
        yield watch


def fill(cluster: Cluster) -> None:
    """Write until the alarm stands."""
    put = etcdctl('put "/hardway/fill/$((number % 3))"')
    script = f"""number=0
        while [ $number -lt {_ROUNDS} ]; do
            head -c 1000000 /dev/zero | tr '\\0' x | {put} >/dev/null 2>&1 || break
            number=$((number + 1))
        done
        {etcdctl("alarm list")}"""
    assert "NOSPACE" in cluster.machines["cp-1"].run(script, timeout=300).ok()


def write(cluster: Cluster) -> tuple[int, str]:
    """Write an object. Returns the exit code and the text of kubectl."""
    done = cluster.kubectl("create", "configmap", "full", f"--namespace={WORK}", "--request-timeout=10s")
    return done.code, done.text


def assert_full(cluster: Cluster) -> None:
    """The API takes no object, and `make status` and `make backup` say why."""
    code, said = write(cluster)
    assert code != 0 and "database space exceeded" in said, said
    status = cluster.stack.make("status", extra={"QUICK": "1"})
    assert status.code != 0 and re.search(r"etcd has the alarm NOSPACE", status.output), status.tail()
    assert backup(cluster, expected=2).output


def assert_room(cluster: Cluster) -> None:
    """The API takes objects, no alarm stands, and everything is as before."""
    eventually(lambda: _succeeds(write(cluster)), 30, "an object is written")
    cluster.kubectl("delete", "configmap", "full", f"--namespace={WORK}").ok()
    assert cluster.machines["cp-2"].run(etcdctl("alarm list")).ok().strip() == ""
    is_whole(cluster)
    backup(cluster)


def _succeeds(done: tuple[int, str]) -> None:
    assert done[0] == 0, done[1]


def test_make_defrag_leaves_the_alarm(small: Cluster, reads: Watch, say: Say) -> None:
    """The command compacts, defragments and disarms. No read fails from before the alarm to after it."""
    fill(small)
    assert_full(small)
    run = small.stack.make("defrag")
    assert run.code == 0 and "the alarm NOSPACE is disarmed" in run.output, run.tail()
    say(f"  make defrag took {run.seconds:.1f} s")
    assert_room(small)
    reads.assert_none_failed()


def test_a_larger_quota_leaves_the_alarm(small: Cluster, reads: Watch, say: Say) -> None:
    """The roll goes on while the alarm stands, and its last member disarms it. No read fails."""
    fill(small)
    assert_full(small)
    small.change({"hardway:etcd": {"quotaBackendBytes": 8 * QUOTA}})
    run = small.up()
    say(f"  make up took {run.seconds:.1f} s")
    assert_room(small)
    reads.assert_none_failed()
