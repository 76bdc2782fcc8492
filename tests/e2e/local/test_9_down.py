"""`make down`: nothing is left on this host."""

from pathlib import Path

import pytest

from tests.e2e.support import inventory
from tests.e2e.support.cluster import KEEP, Cluster, keeping
from tests.e2e.support.progress import Say


def test_down_leaves_nothing(cluster: Cluster, say: Say) -> None:
    """No container, volume, network, route, interface, firewall rule, process, or file; compared with before `up`."""
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
    # Other files there are those of other clusters, and of whoever works with them meanwhile.
    assert not (Path.home() / ".kube" / "cache" / "discovery" / f"127.0.0.1_{lab.port_base}").exists()
    assert not (stack.clone.state / stack.name).exists()
    assert [path.name for path in stack.temporary.rglob("*")] == []
