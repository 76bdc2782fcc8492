"""What the bench says about a mirror: real programs, nginx, and a link with a rate."""

import pytest

from bench.mirror import MBIT_PER_SECOND, Load, measure_mirror, table
from components.artifacts.choice import MIRROR_LOCK


def test_hosts_fetch_all_programs_of_a_worker_through_the_link() -> None:
    if not MIRROR_LOCK.exists():
        pytest.skip("no program is built: run `make tools`")
    load = measure_mirror(print, hosts=2)
    assert (load.hosts, len(load.done), load.again) == (2, 2, 0)
    # kubelet, kube-proxy, containerd and what belongs to them.
    assert load.size > 100e6
    # The link has a burst of 1 MB.
    assert max(load.done) >= (2 * load.size - 1e6) * 8 / 1e6 / MBIT_PER_SECOND
    assert load.cpu > 0


def test_a_load_is_a_table() -> None:
    shown = table(Load(hosts=200, at_once=64, size=250_000_000, done=(90.0, 500.0), again=3, cpu=12.34))
    assert shown.endswith("| 50.0 | 90 | 500 | 80% | 12.3 | 3 |")
