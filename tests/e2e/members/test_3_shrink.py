"""Back to one control-plane node."""

from tests.e2e.changes.conftest import Probes
from tests.e2e.members.conftest import nodes
from tests.e2e.members.test_1_scale import ONE, _ready
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.etcd import voters
from tests.e2e.support.progress import Say
from tests.e2e.support.units import invocations, restarted_beside


def test_three_control_plane_nodes_become_one(cluster: Cluster, probes: Probes, say: Say) -> None:
    """Members are removed one by one, after the leadership moved. The remaining API server does not restart."""
    before = invocations(cluster)
    cluster.change(nodes(**ONE))
    with probes(("cp-1", "worker-1")) as watch:
        run = cluster.up()
        watch.assert_none_failed()
    say(f"  two control-plane nodes less in {run.seconds:.1f} s")
    assert set(voters(cluster.machines["cp-1"])) == {"cp-1"}
    assert _ready(cluster) == {"cp-1", "worker-1", "worker-2"}
    assert restarted_beside(before, cluster, {"cp-2", "cp-3"}) == set()
