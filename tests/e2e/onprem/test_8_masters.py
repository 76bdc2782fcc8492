"""Three masters behind a virtual address: it moves when its holder is gone."""

import time
from contextlib import AbstractContextManager

import pytest

from tests.e2e.onprem import footprint
from tests.e2e.onprem.footprint import Footprint
from tests.e2e.onprem.pages import NODES
from tests.e2e.onprem.site import BASTION, Site
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.kubeconfig import unpack
from tests.e2e.support.probing import Probing, probing
from tests.e2e.support.progress import Say, stopwatch
from tests.e2e.support.wait import eventually

MOST_FAILED, LONGEST_GAP_SECONDS = 0.2, 20.0
"""Loose on purpose: an outage is found, a busy machine is not."""


def holders(place: Site, without: str = "") -> list[str]:
    """Names of the hosts that have the virtual address; `without` is not asked, as it may not be running."""
    look = f"ip -4 -o address show to {place.virtual_address}"
    return [name for name, host in place.hosts.items() if name != without and host.run(look).stdout.strip()]


def test_all_masters_are_ready_and_one_has_the_address(masters: Cluster, place: Site, say: Say) -> None:
    """The administrator's kubectl goes by way of it."""
    ready = masters.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=30s").ok()
    assert ready.count("condition met") == len(NODES)
    assert len(holders(place)) == 1
    assert masters.first_up is not None
    say(f"  first `make up`: {masters.first_up.seconds:.1f} s; {holders(place)[0]} has {place.virtual_address}")


def test_the_address_moves_when_its_holder_dies(masters: Cluster, place: Site, say: Say) -> None:
    """Requests go on after a gap; the holder that comes back does not take the address again."""
    (holder,) = holders(place)
    with _asking(masters, place) as probe:
        time.sleep(3)
        place.hosts[holder].kill()
        try:
            elapsed = stopwatch()
            heir = eventually(lambda: _heir(place, holder, dead=True), 30, "another host has the address", 0.1)
            say(f"  {heir} had the address {elapsed():.1f} s after {holder} died")
            time.sleep(3)
        finally:
            place.hosts[holder].start()
        eventually(lambda: _serves(place, holder), 120, f"{holder} serves again")
        time.sleep(3)
        report = probe.report()
    say(f"  {report.line()}")
    assert holders(place) == [heir]
    assert report.failed <= MOST_FAILED * report.requests, report.line()
    assert report.longest_gap < LONGEST_GAP_SECONDS, report.line()


@pytest.mark.parametrize("unit", ["kubernetes-vip-proxy.service", "kubernetes-vip.service"])
def test_the_address_moves_when_a_service_of_its_holder_stops(
    masters: Cluster, place: Site, say: Say, unit: str
) -> None:
    """Keepalived gives it away when the proxy beside it leads nowhere, and when it is stopped itself."""
    (holder,) = holders(place)
    with _asking(masters, place) as probe:
        time.sleep(2)
        place.hosts[holder].run(f"systemctl stop {unit}").ok()
        elapsed = stopwatch()
        try:
            heir = eventually(lambda: _heir(place, holder), 30, "another host has the address", 0.1)
            say(f"  {heir} had the address {elapsed():.1f} s after {unit} of {holder} stopped")
            time.sleep(2)
        finally:
            place.hosts[holder].run(f"systemctl start {unit}").ok()
        report = probe.report()
    say(f"  {report.line()}")
    # A short probe is mostly what lies between the stop and the move: how long that was says more than which part.
    assert report.failed < report.requests
    assert report.longest_gap < LONGEST_GAP_SECONDS, report.line()


def test_down_with_data_leaves_nothing(
    masters: Cluster, place: Site, untouched: dict[str, Footprint], say: Say
) -> None:
    """With `removeData` the hosts are as they were, but for packages."""
    run = masters.destroy()
    say(f"  make down: {run.seconds:.1f} s")
    for name, host in place.hosts.items():
        assert footprint.take(host).new_since(untouched[name]) == {}, name


def _asking(masters: Cluster, place: Site) -> AbstractContextManager[Probing]:
    """A probe on the bastion, which knows the API by a name in its certificate: the virtual address itself."""
    credentials = unpack(masters.stack.kubeconfig, masters.stack.folder / "admin")
    url = f"https://{place.virtual_address}:8443/api/v1/namespaces/kube-system"
    return probing(place.container(BASTION), url, 120, credentials)


def _heir(place: Site, holder: str, dead: bool = False) -> str:
    """The one that has the address after `holder`, which is not asked when it is dead."""
    found = holders(place, without=holder if dead else "")
    assert len(found) == 1 and found != [holder], found
    return found[0]


def _serves(place: Site, name: str) -> None:
    ca = "/opt/kubernetes/ssl/kubernetes-ca.pem"
    place.hosts[name].run(f"curl -fsS --max-time 2 --cacert {ca} https://127.0.0.1:8443/readyz").ok()
    place.hosts[name].run(f"curl -fsS --max-time 2 --cacert {ca} https://127.0.0.1:6443/readyz").ok()
