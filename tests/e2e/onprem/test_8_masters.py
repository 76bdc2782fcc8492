"""Three masters behind a virtual address, which moves if its holder fails."""

import dataclasses
import time
from contextlib import AbstractContextManager

import pytest

from tests.e2e.onprem import footprint, pages
from tests.e2e.onprem.footprint import Footprint
from tests.e2e.onprem.pages import NODES
from tests.e2e.onprem.site import BASTION, FREE, Site
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.kubeconfig import unpack
from tests.e2e.support.probing import Probing, probing
from tests.e2e.support.progress import Say, stopwatch
from tests.wait import eventually

CA = "/opt/kubernetes/ssl/kubernetes-ca.pem"
MOST_FAILED, LONGEST_GAP_SECONDS = 0.2, 20.0
"""Loose limits: they find an outage, but do not fail on a busy host."""


def holders(place: Site, without: str = "") -> list[str]:
    """Names of the hosts that have the virtual address. The host `without` is left out, because it may not run."""
    look = f"ip -4 -o address show to {place.virtual_address}"
    return [name for name, host in place.hosts.items() if name != without and host.run(look).stdout.strip()]


def test_all_masters_are_ready_and_one_has_the_address(masters: Cluster, place: Site, say: Say) -> None:
    """The kubectl of the admin uses the virtual address."""
    ready = masters.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=30s").ok()
    assert ready.count("condition met") == len(NODES)
    assert len(holders(place)) == 1
    assert masters.first_up is not None
    say(f"  first `make up`: {masters.first_up.seconds:.1f} s; {holders(place)[0]} has {place.virtual_address}")


def test_the_address_moves_when_its_holder_dies(masters: Cluster, place: Site, say: Say) -> None:
    """Requests succeed again after a gap. The first holder does not take the address back when it is up again."""
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
    """A node releases the address if its proxy stops, and if its keepalived stops."""
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
    # Most of this short probe lies between the stop and the move, so the gap says more than the share of failures.
    assert report.failed < report.requests
    assert report.longest_gap < LONGEST_GAP_SECONDS, report.line()


@pytest.mark.long
@pytest.mark.proves_changes("machines.vip")
def test_another_virtual_address_takes_the_place_of_the_first(masters: Cluster, place: Site, say: Say) -> None:
    """One host has the new address, none has the old one, and every API server has a certificate for the new one."""
    other = place.address_at(FREE)
    # Programs of this host reach the API without a virtual address meanwhile.
    place.forward_api(f"{place.address(NODES[0])}:6443")
    page = pages.with_machines(masters.stack.page, vip={"address": other})
    run = dataclasses.replace(masters.stack, page=page).up()
    assert run.code == 0, run.tail(60)
    say(f"  {other} after {run.seconds:.1f} s")
    eventually(lambda: _is_at_one_host(place, other), 30, f"one host has {other}")
    assert holders(place) == []
    for name in place.hosts:
        # The activation makes the API server read its renewed certificate.
        eventually(lambda name=name: _is_named(place, name, other), 20, f"{name} shows its new name")  # type: ignore[misc]
    for host in place.hosts.values():
        host.run(f"curl -fsS --max-time 5 --cacert {CA} https://{other}:8443/readyz").ok()


def test_down_with_data_leaves_nothing(
    masters: Cluster, place: Site, untouched: dict[str, Footprint], say: Say
) -> None:
    """With `removeData` the hosts are as before, except for packages."""
    run = masters.destroy()
    say(f"  make down: {run.seconds:.1f} s")
    for name, host in place.hosts.items():
        assert footprint.take(host).new_since(untouched[name]) == {}, name


def _asking(masters: Cluster, place: Site) -> AbstractContextManager[Probing]:
    """A probe on the bastion that connects to the virtual address, which is in the certificate of the API."""
    credentials = unpack(masters.stack.kubeconfig, masters.stack.folder / "admin")
    url = f"https://{place.virtual_address}:8443/api/v1/namespaces/kube-system"
    return probing(place.container(BASTION), url, 120, credentials)


def _heir(place: Site, holder: str, dead: bool = False) -> str:
    """The new holder of the address. If `dead`, then `holder` is left out."""
    found = holders(place, without=holder if dead else "")
    assert len(found) == 1 and found != [holder], found
    return found[0]


def _is_at_one_host(place: Site, address: str) -> None:
    look = f"ip -4 -o address show to {address}"
    found = [name for name, host in place.hosts.items() if host.run(look).stdout.strip()]
    assert len(found) == 1, found


def _is_named(place: Site, name: str, address: str) -> None:
    shown = f"openssl s_client -connect {place.address(name)}:6443 </dev/null | openssl x509 -noout -text"
    assert f"IP Address:{address}" in place.hosts[name].run(shown).stdout


def _serves(place: Site, name: str) -> None:
    place.hosts[name].run(f"curl -fsS --max-time 2 --cacert {CA} https://127.0.0.1:8443/readyz").ok()
    place.hosts[name].run(f"curl -fsS --max-time 2 --cacert {CA} https://127.0.0.1:6443/readyz").ok()
