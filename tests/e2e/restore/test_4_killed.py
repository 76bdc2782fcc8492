"""A restore whose runs are killed: whatever runs next goes on, and the cluster ends like after any other restore."""

import random
from collections.abc import Callable

import pytest

from tests.e2e.restore.conftest import WORK, backup, is_whole, read_page, restore
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.killing import SEED, begun, end_orphans, kill, seeded
from tests.e2e.support.progress import Say, stopwatch

KEPT = "before-the-kills"
CHANGES = ("create", "update", "create-replacement")
# Steps on machines: 1 to 3 stage, 4 fetches the snapshot, 5 to 7 stop what uses the data, 8 activates the member that
# restores, 9 and 10 the members that join it, 11 grants the program its rights.
MOMENTS = (1, 4, 5, 7, 8, 9, 11)


@pytest.fixture
def chance(say: Say) -> random.Random:
    """The random numbers for how long after a step a kill comes."""
    seed, numbers = seeded()
    say(f"  the moments of this run: {SEED}={seed}")
    return numbers


def test_killed_restores(cluster: Cluster, chance: random.Random, say: Say) -> None:
    """Two members have lost their data. `make restore` is killed at each kind of step, and called again.

    After every second kill, `make up` goes on with the restore on the page, and is killed as well, if it comes so far.
    """
    stack, elapsed = cluster.stack, stopwatch()
    cluster.kubectl("create", "configmap", KEPT, f"--namespace={WORK}").ok()
    backup(cluster)
    for name in ("cp-2", "cp-3"):
        cluster.machines[name].run("systemctl stop etcd && rm -rf /var/lib/etcd/member").ok()
    again = {"SNAPSHOT": "latest", "CONFIRM": stack.name}
    steps: Callable[[], int] = lambda: begun(stack, *CHANGES)  # noqa: E731
    killed = 0
    for number, moment in enumerate(MOMENTS):
        later, everything = chance.uniform(0, 2), number % 3 != 2
        done = kill(cluster.stack, "restore", steps, moment, later, plugins_too=everything, extra=again)
        read_page(cluster)
        killed += done.code is None
        say(f"  kill {number + 1} at step {moment} + {later:.1f} s{'' if everything else ' (engine only)'}: {done}")
        assert done.code in (None, 0), done.tail(60)
        if number % 2:
            done = kill(cluster.stack, "up", steps, 1, later)
            say(f"  make up, killed at step 1 + {later:.1f} s: {done}")
            assert done.code in (None, 0), done.tail(60)
    assert killed >= len(MOMENTS) - 1, "most of the runs ended before their kill: the test proves little"
    run = restore(cluster, **again)
    say(f"  the last run took {run.seconds:.1f} s, all {elapsed():.1f} s")
    say(f"  {end_orphans(stack.clone.pulumi_home)} plugins had outlived their engine")
    assert_nothing_is_left(cluster)


def test_make_up_goes_on_with_a_killed_restore(cluster: Cluster, chance: random.Random, say: Say) -> None:
    """Killed when API servers and etcd have stopped, on a cluster that was healthy: `make up` ends the restore."""
    later = chance.uniform(0, 3)
    steps: Callable[[], int] = lambda: begun(cluster.stack, *CHANGES)  # noqa: E731
    again = {"SNAPSHOT": "latest", "CONFIRM": cluster.stack.name}
    done = kill(cluster.stack, "restore", steps, 7, later, extra=again)
    read_page(cluster)
    say(f"  killed at step 7 + {later:.1f} s: {done}")
    assert done.code is None, done.tail()
    run = cluster.up()
    say(f"  make up took {run.seconds:.1f} s")
    assert_nothing_is_left(cluster)


def assert_nothing_is_left(cluster: Cluster) -> None:
    """The object of before is there, no machine is between two releases, and no snapshot to restore lies around."""
    cluster.kubectl.get("configmap", KEPT, f"--namespace={WORK}")
    for machine in cluster.having("etcd"):
        left = "/opt/kubernetes/unproven /opt/kubernetes/releases/.new-* /var/lib/hardway-backup/restore-*"
        assert machine.run(f"ls -d {left} 2>/dev/null").stdout == "", machine.name
        kept = machine.run("ls -d /var/lib/etcd/restoring /var/lib/etcd/before-restore-*").stdout.split()
        assert len(kept) <= 1 and "restoring" not in "".join(kept), (machine.name, kept)
    is_whole(cluster)
    assert "pending operations" not in cluster.stack.up().output
