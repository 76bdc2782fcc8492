"""The stack moves to the machine of another operator: page, state and passphrase are all that a restore needs there."""

from collections.abc import Iterator

import pytest

from tests.e2e.restore.conftest import WORK, assert_nothing_restarted, backup, is_whole, restore
from tests.e2e.restore.elsewhere import clone_at, moved
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.progress import Say
from tests.e2e.support.units import invocations


@pytest.fixture
def elsewhere(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster as the other operator sees it. At the end, the stack moves back in the same way."""
    here = cluster.stack
    there = moved(here, clone_at(here.folder / "elsewhere", here.clone))
    other = Cluster(there, None, None)
    try:
        yield other
    finally:
        cluster.change({"hardway:restore": other.stack.page.get("hardway:restore")})
        moved(other.stack, here.clone)


def test_the_other_operator_changes_nothing_and_restores(elsewhere: Cluster, say: Say) -> None:
    """Nothing to change, no unit restarts; then a majority is lost, and the other operator brings the cluster back."""
    units = invocations(elsewhere)
    run = elsewhere.stack.make("preview")
    assert run.code == 0, run.tail()
    assert "nothing changes." in run.output, run.tail()
    elsewhere.up()  # writes the kubeconfig
    is_whole(elsewhere)
    assert_nothing_restarted(elsewhere, units)
    elsewhere.kubectl("create", "configmap", "moved", f"--namespace={WORK}").ok()
    backup(elsewhere)
    for name in ("cp-2", "cp-3"):
        elsewhere.machines[name].run("systemctl stop etcd && rm -rf /var/lib/etcd/member").ok()
    restore(elsewhere, SNAPSHOT="latest")
    elsewhere.kubectl.get("configmap", "moved", f"--namespace={WORK}")
    is_whole(elsewhere)
