"""The encryption key is rotated after a snapshot: its Secrets read as long as the page trusts the key of before."""

import pytest

from tests.e2e.restore.conftest import WORK, assert_nothing_restarted, backup, give_up, is_whole, restore, snapshots
from tests.e2e.rotation.conftest import encryption_keys
from tests.e2e.rotation.test_1_order import with_generations
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.progress import Say
from tests.e2e.support.units import invocations


@pytest.fixture(scope="module")
def older(cluster: Cluster) -> str:
    """The id of a snapshot from before the second key of the encryption. The second key is in use now."""
    cluster.kubectl("create", "configmap", "before-the-rotation", f"--namespace={WORK}").ok()
    backup(cluster)
    found = snapshots(cluster)[-1][1]
    assert set(encryption_keys(cluster)) == {"key1"}
    for active in (1, 2):
        with_generations(cluster, [1, 2], active, keys=("encryption",))
        cluster.up()
    assert set(encryption_keys(cluster)) == {"key2"}
    return found


def test_a_snapshot_from_before_the_rotation(cluster: Cluster, older: str, say: Say) -> None:
    """Its Secret reads, and after the restore the key in use encrypts every Secret again: the last step may follow."""
    restore(cluster, SNAPSHOT=older, CONFIRM=cluster.stack.name)
    cluster.kubectl.get("configmap", "before-the-rotation", f"--namespace={WORK}")
    is_whole(cluster)
    assert set(encryption_keys(cluster)) == {"key2"}


def test_a_snapshot_whose_key_was_given_up(cluster: Cluster, older: str) -> None:
    """It is refused before anything stops. A snapshot of now is not."""
    with_generations(cluster, [2], 2, keys=("encryption",))
    cluster.up()
    backup(cluster)
    units, earlier = invocations(cluster), cluster.stack.page.get("hardway:restore")
    try:
        run = restore(cluster, expected=2, SNAPSHOT=older, CONFIRM=cluster.stack.name)
        assert "need generation 1 of the key encryption; the page trusts 2" in " ".join(run.output.split()), run.tail()
        assert "Nothing was changed" in run.output
        assert_nothing_restarted(cluster, units)
    finally:
        give_up(cluster, earlier)
    is_whole(cluster)
