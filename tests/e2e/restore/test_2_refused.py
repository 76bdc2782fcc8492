"""What cannot be restored is refused before anything stops; then the page without it changes nothing."""

import re
from collections.abc import Callable

import pytest

from tests.e2e.restore.conftest import assert_nothing_restarted, give_up, restore, snapshots
from tests.e2e.restore.vault import FOLDER, Vault
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.units import invocations


def test_a_healthy_cluster_is_not_restored_by_mistake(cluster: Cluster) -> None:
    """The command asks for the name of the stack, says what would be lost, and does not change the page."""
    run = restore(cluster, expected=2, SNAPSHOT="latest")
    assert f"CONFIRM={cluster.stack.name}" in run.output
    assert "hardway:restore" not in cluster.stack.page


def away(place: Vault) -> None:
    """The directory of the snapshots is not there."""
    place.machine.run(f"mv {FOLDER} {FOLDER}.away").ok()


def back(place: Vault) -> None:
    """The directory is there again."""
    place.machine.run(f"if [ -e {FOLDER}.away ]; then rm -rf {FOLDER}; mv {FOLDER}.away {FOLDER}; fi").ok()


def damage(place: Vault) -> None:
    """The data in the place is damaged, in a copy that takes its place."""
    away(place)
    place.machine.run(
        f"cp -a {FOLDER}.away {FOLDER} && find {FOLDER}/data -type f | "
        "while read -r file; do dd if=/dev/zero of=$file bs=64 seek=1 count=1 conv=notrunc; done"
    ).ok()


@pytest.mark.parametrize(
    ("snapshot", "prepare", "said"),
    [
        ("2020-01-01T00:00:00Z", None, "no such snapshot of this cluster: 2020-01-01T00:00:00Z; it has 20"),
        ("0123456789abcdef", None, "cannot fetch the snapshot 0123456789abcdef"),
        ("latest", away, "cannot list the snapshots"),
        ("newest", damage, "cannot fetch the snapshot"),
    ],
    ids=["no snapshot at that time", "unknown id", "place is gone", "damaged"],
)
def test_refused(
    cluster: Cluster, place: Vault, snapshot: str, prepare: Callable[[Vault], None] | None, said: str
) -> None:
    """One sentence, and no unit restarts. Without the restore on the page, `up` changes no machine."""
    units = invocations(cluster)
    if snapshot == "newest":
        # A timer takes the next one, which is whole, at any moment.
        snapshot = snapshots(cluster)[-1][1]
    try:
        if prepare:
            prepare(place)
        run = restore(cluster, expected=2, SNAPSHOT=snapshot, CONFIRM=cluster.stack.name)
        assert said in re.sub(r"\s+", " ", run.output), run.tail()
        assert "Nothing was changed" in run.output
        assert_nothing_restarted(cluster, units)
    finally:
        back(place)
        give_up(cluster, None)
    assert_nothing_restarted(cluster, units)
