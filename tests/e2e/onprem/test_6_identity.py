"""A host knows which node of which cluster it is: nobody takes it over by a name on a page."""

import dataclasses

from tests.e2e.onprem import pages
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.progress import Say
from tests.e2e.support.stack import Stack
from tests.e2e.support.units import invocations, restarted

LAST = pages.NODES[-1]


def test_a_renamed_node_is_refused(cluster: Cluster, say: Say) -> None:
    """The same host under another name: the preflight names both, and no unit restarts."""
    # An earlier test has left a setting of kube-proxy.
    assert cluster.stack.up().code == 0
    page, before = cluster.stack.page, invocations(cluster)
    nodes = [node | ({"name": "renamed"} if node["name"] == LAST else {}) for node in page["hardway:nodes"]]
    run = dataclasses.replace(cluster.stack, page=page | {"hardway:nodes": nodes}).up()
    assert run.code != 0
    said = f"renamed: the host is the node {LAST}; take {LAST} off the page and run `up`, then add renamed"
    assert said in run.output, run.tail(60)
    assert restarted(before, invocations(cluster)) == set()
    say(f"  refused after {run.seconds:.1f} s")
    back = cluster.stack.up()
    assert back.code == 0, back.tail(60)
    assert restarted(before, invocations(cluster)) == set()


def test_hosts_of_another_cluster_are_refused(cluster: Cluster, say: Say) -> None:
    """Another stack names the same hosts: each machine refuses, names its cluster, and works on."""
    before, name = invocations(cluster), f"{cluster.stack.name}-other"
    page = cluster.stack.page | {"hardway:cluster": {"name": "other"}}
    other: Stack = dataclasses.replace(cluster.stack, name=name, page=page)
    try:
        run = other.up()
        assert run.code != 0
        owner = cluster.stack.page["hardway:cluster"]["name"]
        said = f"of another cluster, {owner}; remove the node there first. Nothing was changed"
        assert said in run.output, run.tail(60)
        say(f"  refused after {run.seconds:.1f} s")
    finally:
        down = other.down()
        other.forget()
    assert down.code == 0, down.tail(60)
    assert restarted(before, invocations(cluster)) == set()
