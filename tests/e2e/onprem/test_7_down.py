"""`make down`: the hosts are as before, except for data and packages."""

from tests.e2e.onprem import footprint
from tests.e2e.onprem.footprint import Footprint
from tests.e2e.onprem.site import Site
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.progress import Say
from tests.e2e.support.stack import Stack

DATA = ("/var/lib/etcd", "/var/lib/kubelet", "/var/lib/containerd")


def test_down_takes_off_what_up_brought(
    cluster: Cluster, place: Site, untouched: dict[str, Footprint], say: Say
) -> None:
    """Units, files, interfaces, routes, mounts, firewall, users, processes: compared with before `up`."""
    busy = {name: footprint.take(host).new_since(untouched[name]) for name, host in place.hosts.items()}
    for name, found in busy.items():
        assert {"file", "unit", "running", "interface", "mount", "firewall", "user", "program"} <= set(found), name
    run = cluster.destroy()
    say(f"  make down: {run.seconds:.1f} s")
    for name, host in place.hosts.items():
        left = footprint.take(host).new_since(untouched[name])
        files = [path for path in left.pop("file", []) if not path.startswith(DATA)]
        assert files == [], f"{name}: {files}"
        # The data stays, so its owner stays as well.
        assert left.pop("user", []) in ([], ["etcd"]), name
        assert left == {}, f"{name}: {left}"
        for path in DATA:
            assert host.run(f'test -n "$(ls -A {path})"').code == 0, f"{name}: {path} is gone"


def test_data_of_an_earlier_cluster_keeps_another_one_away(place: Site, stack: Stack) -> None:
    """The error names every folder with data on every host."""
    run = stack.up()
    assert run.code != 0
    for name in place.names:
        for path in DATA:
            assert f"{name}: {path} contains data of something else; move the data away" in run.output, run.tail()
    for host in place.hosts.values():
        # The user stayed only because of the data. The next stack would not treat this user as its own.
        host.run(f"rm -rf {' '.join(DATA)} && userdel etcd").ok()
