"""An existing host that reaches the publishers through the proxy of the page. The operator needs no engine, no Go."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.e2e.onprem import pages
from tests.e2e.onprem.site import Site, site
from tests.e2e.support.progress import Say
from tests.e2e.upstream.conftest import Connected
from tests.publisher import Publisher, publishing
from tools.common.paths import this_clone

NAME, NODE = "e2e-upstream-hosts", "linux-node1"


@pytest.fixture(scope="module")
def place(say: Say) -> Iterator[Site]:
    """One plain host behind a bastion, with a mirror of Debian packages."""
    with site(this_clone(), NAME, [NODE], say) as found:
        yield found


@pytest.fixture(scope="module")
def proxy(place: Site, user: Connected) -> Iterator[Publisher]:
    """A proxy that the host reaches, which leads to the publishers only. The host trusts their authority."""
    certificate = user.publishers.certificate.read_text()
    host = place.hosts[NODE]
    host.run("mkdir -p /usr/local/share/ca-certificates").ok()
    host.run("cat >/usr/local/share/ca-certificates/publishers.crt", stdin=certificate).ok()
    # Otherwise the installation of the package does this.
    host.run("! command -v update-ca-certificates || update-ca-certificates").ok()
    with publishing(address=place.address_at(1)) as found:
        found.routes = user.publishers.proxy.routes
        yield found


@pytest.fixture(scope="module")
def operator(place: Site, proxy: Publisher, user: Connected) -> Iterator[Connected]:
    """The same user, with a page for the host."""
    url = f"http://{place.address_at(1)}:{proxy.server_port}"
    page = pages.page_of(place, "hosts", [["etcd", "control-plane", "worker"]])
    page["hardway:artifacts"] = {"proxy": {"http": url, "https": url, "noProxy": [place.mirror]}}
    found = replace(user, stack=replace(user.stack, name=NAME, page=page))
    try:
        yield found
    finally:
        found.make("down")


def test_the_host_fetches_through_the_proxy(operator: Connected, proxy: Publisher, place: Site) -> None:
    """Programs and images come through the proxy of the page, by digest; the page says nothing about the source."""
    run = operator.make("up")
    assert run.code == 0, run.tail()
    assert "release files of upstream, because the page names no mirror" in run.output
    asked = {line.removeprefix("CONNECT ").partition(":")[0] for line in proxy.asked}
    assert {"dl.k8s.io", "github.com", "registry.k8s.io", "ghcr.io", "registry-1.docker.io"} <= asked
    kubelet = place.hosts[NODE].run("/opt/kubernetes/bin/kubelet --version").ok()
    assert kubelet.strip() == "Kubernetes v1.37.1"
    assert operator.make("outputs", "artifactSource").output.splitlines()[-1] == "upstream"


def test_another_run_changes_nothing(operator: Connected) -> None:
    """And connects to nobody."""
    run = operator.make("up")
    assert run.code == 0, run.tail()
    assert " unchanged" in run.output and " created" not in run.output
