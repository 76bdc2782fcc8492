"""A restore whose runs are killed: whatever runs next goes on, and the cluster ends like after any other restore."""

import random
from collections.abc import Callable

import pytest

from components.resource_names import RESTORE_FETCH
from tests.e2e.restore.conftest import WORK, backup, is_whole, read_page, restore
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.killing import SEED, begun, end_orphans, kill, seeded, under_way
from tests.e2e.support.progress import Say, stopwatch

KEPT = "before-the-kills"
CHANGES = ("create", "update", "create-replacement")
STOP = "-restore$"
STEPS = ("-stage$", f"^{RESTORE_FETCH}$", STOP, "^cp-1-activate$", "^cp-[23]-activate$", "^grant$")
"""Regular expressions of the kinds of steps, in their order: each has a kill of its own."""
LATER = 3.0
"""The longest time in seconds between a step and its kill."""


@pytest.fixture
def chance(say: Say) -> random.Random:
    """The random numbers for how long after a step a kill comes."""
    seed, numbers = seeded()
    say(f"  the moments of this run: {SEED}={seed}")
    return numbers


def test_killed_restores(cluster: Cluster, chance: random.Random, say: Say) -> None:
    """Two members have lost their data. `make restore` is killed at each kind of step, and called again.

    Each run goes on where the one before was killed. Every third run is `make up` instead, and every third kill spares
    plugins and scripts. A run that had done all steps of a kind before it was killed leaves none of it to the next one,
    which then ends by itself.
    """
    elapsed = stopwatch()
    cluster.kubectl("create", "configmap", KEPT, f"--namespace={WORK}").ok()
    backup(cluster)
    for name in ("cp-2", "cp-3"):
        cluster.machines[name].run("systemctl stop etcd && rm -rf /var/lib/etcd/member").ok()
    again = {"SNAPSHOT": "latest", "CONFIRM": cluster.stack.name}
    killed, numbers = 0, set()
    for number, step in enumerate(STEPS):
        later, everything = chance.uniform(0, LATER), number % 3 != 1
        target = "up" if number % 3 == 2 else "restore"
        done = kill(cluster.stack, target, steps(cluster, step), 1, later, plugins_too=everything, extra=again)
        doing = ", ".join(under_way(cluster.stack)) or "nothing"
        read_page(cluster)
        numbers.add(cluster.stack.page["hardway:restore"]["number"])
        killed += done.code is None
        how = f"make {target}, {step} + {later:.1f} s{'' if everything else ' (engine only)'}"
        say(f"  {how}: {done}; under way: {doing}")
        assert done.code in (None, 0), done.tail(60)
    say(f"  {killed} kills; numbers of restores: {sorted(numbers)}")
    assert killed >= len(STEPS) - 2, "most of the runs ended before their kill: the test proves little"
    run = restore(cluster, **again)
    say(f"  the last run took {run.seconds:.1f} s, all {elapsed():.1f} s")
    say(f"  {end_orphans(cluster.stack.clone.pulumi_home)} plugins had outlived their engine")
    assert_nothing_is_left(cluster)


def steps(cluster: Cluster, named: str) -> Callable[[], int]:
    """Counts the steps of a kind that the present run has begun."""
    return lambda: begun(cluster.stack, *CHANGES, named=named)


def test_make_up_goes_on_with_a_killed_restore(cluster: Cluster, chance: random.Random, say: Say) -> None:
    """Killed when API servers and etcd have stopped, on a cluster that was healthy: `make up` ends the restore."""
    later = chance.uniform(0, 3)
    again = {"SNAPSHOT": "latest", "CONFIRM": cluster.stack.name}
    done = kill(cluster.stack, "restore", steps(cluster, STOP), len(cluster.having("etcd")), later, extra=again)
    read_page(cluster)
    say(f"  killed at the last {STOP} + {later:.1f} s: {done}; under way: {', '.join(under_way(cluster.stack))}")
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
