"""No edit of the page destroys the cluster: edits of fixed values are refused."""

import pytest

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.process import ask
from tests.e2e.support.units import connections, invocations, restarted

FIXED = {
    "hardway:network": {"podCidr": "10.99.0.0/16", "serviceCidr": "10.98.0.0/16", "nodeCidrMaskSize": 25},
    "hardway:cluster": {"domain": "example.local"},
    "hardway:etcd": {"dataDir": "/srv/etcd", "walDir": "/srv/wal"},
    "hardway:api": {"port": 6444},
    "hardway:machines": {"subnet": "192.168.77.0/24", "portBase": 31000},
}
"""Values that a running cluster cannot change, other than those of the cluster."""


@pytest.mark.proves_changes(
    *("network.podCidr", "network.serviceCidr", "network.nodeCidrMaskSize"),
    *("cluster.domain", "etcd.dataDir", "etcd.walDir", "api.port"),
    *("machines.subnet", "machines.portBase"),
)
def test_fixed_values_are_refused(cluster: Cluster) -> None:
    """The error has both values of each and says what to do, before a connection is made to any machine."""
    page, before, dialled = cluster.stack.page, invocations(cluster), connections(cluster)
    cluster.change({key: {**page.get(key, {}), **values} for key, values in FIXED.items()})
    run = cluster.up(expected=2)
    for key, values in FIXED.items():
        for field, value in values.items():
            assert f"{key}.{field}: {str(value)!r} cannot take the place of" in run.output, run.tail()
    cluster.change({key: page.get(key) for key in FIXED})
    # The page of before finds the cluster as it was.
    cluster.up()
    assert restarted(before, invocations(cluster)) == set()
    assert connections(cluster) == dialled


@pytest.mark.proves_changes("machines.engine")
def test_another_engine_is_refused(cluster: Cluster) -> None:
    """Either as a fixed value, or because `make tools` has prepared one engine only."""
    page, dialled = cluster.stack.page, connections(cluster)
    # The setting `auto` chose the engine that this host has.
    cluster.change({"hardway:machines": {**page.get("hardway:machines", {}), "engine": "docker"}})
    run = cluster.up(expected=2)
    said = ("cannot take the place of", "is not what `make tools` prepared")
    assert any(f"hardway:machines.engine: 'docker' {text}" in run.output for text in said), run.tail()
    cluster.change({"hardway:machines": page.get("hardway:machines")})
    assert connections(cluster) == dialled


@pytest.mark.proves_changes("machines.provider")
def test_another_provider_is_refused(cluster: Cluster) -> None:
    """Machines that the program has made do not become hosts of somebody else."""
    page, dialled = cluster.stack.page, connections(cluster)
    key = cluster.stack.folder / "key"
    key.unlink(missing_ok=True)
    ask(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]).ok()
    ssh = {"hostKey": " ".join(key.with_suffix(".pub").read_text().split()[:2])}
    hosts = [
        {**node, "address": f"192.0.2.{number}", "ssh": ssh} for number, node in enumerate(page["hardway:nodes"], 1)
    ]
    others = {
        "provider": "existing",
        "user": "root",
        "privateKeyFile": str(key),
        "endpoint": {"host": "192.0.2.9"},
    }
    artifacts = {"mirror": "http://192.0.2.9"}
    cluster.change({"hardway:machines": others, "hardway:nodes": hosts, "hardway:artifacts": artifacts})
    run = cluster.up(expected=2)
    assert "hardway:machines.provider: 'existing' cannot take the place of 'local'" in run.output, run.tail()
    cluster.change({key: page.get(key) for key in ("hardway:machines", "hardway:nodes", "hardway:artifacts")})
    assert connections(cluster) == dialled
