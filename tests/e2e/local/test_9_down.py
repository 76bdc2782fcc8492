"""`make down`: nothing is left on this host."""

from pathlib import Path

import pytest

from tests.e2e.support import inventory
from tests.e2e.support.cluster import KEEP, Cluster, keeping
from tests.e2e.support.progress import Say


def test_down_leaves_nothing(cluster: Cluster, say: Say) -> None:
    """As before `up`: no container, volume, network, route, interface, firewall rule, process or file is left."""
    if keeping() or cluster.before is None:
        pytest.skip(f"the stack stays, or was there before ({KEEP})")
    stack = cluster.stack
    lab = stack.lab
    addresses = lab.subnet.rpartition(".")[0] + "."
    marks = (addresses, lab.name)
    for look in (inventory.firewall, inventory.interfaces, inventory.processes):
        assert inventory.traces(look(), marks), f"{look.__name__} would not show a trace of the lab"
    run = cluster.destroy()
    say(f"  make down: {run.seconds:.1f} s")
    after = inventory.take(stack.clone, lab=lab.name)
    assert after.new_since(cluster.before) == {}
    for look in (inventory.firewall, inventory.interfaces, inventory.processes):
        assert inventory.traces(look(), marks) == [], look.__name__
    # Older files belong to an earlier cluster with the same port, and other folders to other clusters.
    cache = Path.home() / ".kube" / "cache" / "discovery" / f"127.0.0.1_{lab.port_base}"
    assert [path for path in cache.rglob("*") if path.stat().st_mtime > cluster.before.taken] == []
    assert not (stack.clone.state / stack.name).exists()
    assert [path.name for path in stack.temporary.rglob("*")] == []
