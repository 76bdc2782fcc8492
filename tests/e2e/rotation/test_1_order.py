"""If a step leaves out another step, then the step is refused before anything happens."""

from typing import Any

import pytest

from tests.e2e.rotation.conftest import CONFIG
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.units import connections, invocations, restarted

KEYS = ("kubernetes", "etcd", "frontProxy", "serviceAccount", "encryption", "ssh")


def with_generations(cluster: Cluster, trusted: list[int], active: int, keys: tuple[str, ...] = KEYS) -> None:
    """Write generations of keys into the page."""
    pki: dict[str, Any] = dict(cluster.stack.page[CONFIG])
    new = {key: {"trusted": list(trusted), "active": active} for key in keys}
    cluster.change({CONFIG: {**pki, "generations": {**pki.get("generations", {}), **new}}})


@pytest.mark.parametrize(("trusted", "active"), [([1, 2], 2), ([2], 2)], ids=["use before trust", "another key"])
def test_a_step_out_of_order_is_refused(cluster: Cluster, trusted: list[int], active: int) -> None:
    """The error names each key and the step that has to come first. No connection to a machine is made."""
    page, units, dialled = cluster.stack.page, invocations(cluster), connections(cluster)
    with_generations(cluster, trusted, active)
    run = cluster.up(expected=2)
    for key in KEYS:
        assert f"hardway:pki.generations.{key}.active: generation 2 cannot be used" in run.output, run.tail()
    assert "first `trusted: [1, 2]` with `active: 1`, and one `up`" in run.output
    cluster.change({CONFIG: page[CONFIG]})
    assert restarted(units, invocations(cluster)) == set()
    assert connections(cluster) == dialled
