"""Authorities of an organisation on a running cluster: two of them behind a signing service, one with its key."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from authorities import Made, intermediate, make, pem, root
from signing_service import Service, cfssl

from tests.e2e.support.cluster import Cluster
from tests.e2e.support.process import ask
from tests.e2e.support.progress import Say
from tests.e2e.support.units import invocations, restarted
from tests.wait import becomes

pytestmark = pytest.mark.long

AUTHORITIES = "hardway:authorities"
SSL = "/opt/kubernetes/ssl"
NAMES = {
    "kubernetes": "O=Org,CN=Org Kubernetes CA",
    "etcd": "O=Org,CN=Org etcd CA",
    "frontProxy": "O=Org,CN=Org front CA",
}
"""The authorities on the page, and their subjects."""
KUBERNETES, ETCD, FRONT = map(intermediate, NAMES.values())
LEAVES = {
    "kube-apiserver/server": KUBERNETES,
    "etcd/server": ETCD,
    "etcd/peer": ETCD,
    "kube-apiserver/etcd-client": ETCD,
    "kube-apiserver/front-proxy-client": FRONT,
}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Service]]:
    """A service for the authority of etcd, and one for that of aggregated APIs."""
    folder: Path = tmp_path_factory.mktemp("services")
    found = {
        name: Service(cfssl(), folder / name, made).start()
        for name, made in {"etcd": ETCD, "frontProxy": FRONT}.items()
    }
    yield found
    for service in found.values():
        service.stop()


def give(cluster: Cluster, services: Mapping[str, Service], renewed: Mapping[str, Made] | None = None) -> None:
    """Put generation 2 of each authority on the page, with its secrets as `pulumi config set --secret` writes them."""
    new = renewed or {}
    entries: dict[str, Any] = {"kubernetes": [(new.get("kubernetes") or KUBERNETES).on_page(2)]}
    for name, service in services.items():
        entries[name] = [service.on_page(2) | {"certificate": (new.get(name) or service.authority).chain}]
    secrets = {f"{AUTHORITIES}.kubernetes[0].privateKey": entries["kubernetes"][0].pop("privateKey")}
    for name in services:
        secrets[f"{AUTHORITIES}.{name}[0].service.authKey"] = entries[name][0]["service"].pop("authKey")
    cluster.change({AUTHORITIES: entries})
    cluster.stack.starting("up")
    stack = cluster.stack
    for path, value in secrets.items():
        command = ["pulumi", "config", "set", "--secret", "--path", path, "--stack", stack.name, "--non-interactive"]
        ask(command, cwd=stack.clone.root, env=stack.environment(), stdin=value).ok()
    cluster.change({AUTHORITIES: yaml.safe_load(stack.clone.page(stack.name).read_text())["config"][AUTHORITIES]})


def generations(cluster: Cluster, trusted: list[int], active: int) -> None:
    """Change the generations of the three authorities on the page."""
    both = {name: {"trusted": trusted, "active": active} for name in NAMES}
    cluster.change({"hardway:pki": {**cluster.stack.page["hardway:pki"], "generations": both}})


def issuers(cluster: Cluster) -> dict[str, str]:
    """Who signed each leaf of cp-1, by its file."""
    show = "openssl x509 -noout -issuer -nameopt RFC2253 -in"
    found = {path: cluster.machines["cp-1"].run(f"{show} {SSL}/{path}.pem").ok() for path in LEAVES}
    return {path: text.strip().removeprefix("issuer=") for path, text in found.items()}


@pytest.mark.proves_changes("authorities")
def test_the_authorities_of_the_organisation_take_over(
    cluster: Cluster, services: dict[str, Service], say: Say
) -> None:
    """Three steps. The services sign what is theirs, and only in the step in which they come into use."""
    give(cluster, services)
    for trusted, active in (([1, 2], 1), ([1, 2], 2), ([2], 2)):
        generations(cluster, trusted, active)
        run = cluster.up()
        say(f"  trusted {trusted}, generation {active} in use after {run.seconds:.1f} s")
        asked = {name: service.requests for name, service in services.items()}
        assert asked == ({"etcd": 0, "frontProxy": 0} if active == 1 else {"etcd": 3, "frontProxy": 1})
    assert issuers(cluster) == {path: made.certificate.subject.rfc4514_string() for path, made in LEAVES.items()}
    assert cluster.machines["cp-1"].read(f"{SSL}/etcd/ca.pem") == pem(ETCD.certificate)
    assert set(cluster.readiness().values()) == {"True"}
    cluster.kubectl("get", "--raw", "/readyz").ok()
    # The keys of the services are on no machine.
    secret = ETCD.private.splitlines()[1]
    assert cluster.machines["cp-1"].run(f"grep -rlF -e '{secret}' /opt/kubernetes").stdout == ""


@pytest.mark.proves_changes(
    *("authorities.kubernetes[].certificate", "authorities.etcd[].certificate", "authorities.frontProxy[].certificate"),
    *("authorities.etcd[].service", "authorities.frontProxy[].service"),
)
def test_renewed_certificates_are_rolled_out(cluster: Cluster, services: dict[str, Service], say: Say) -> None:
    """The same keys, so the services sign nothing anew. Another address of a service restarts nothing."""
    for service in services.values():
        service.stop()
        service.port = 0
        service.start()
    before, asked = invocations(cluster), {name: service.requests for name, service in services.items()}
    give(cluster, services)
    cluster.up()
    assert restarted(before, invocations(cluster)) == set()
    renewed = {
        name: make(subject, root(), key=made.key, path_length=0)
        for (name, subject), made in zip(NAMES.items(), (KUBERNETES, ETCD, FRONT), strict=True)
    }
    give(cluster, services, renewed)
    run = cluster.up()
    say(f"  renewed certificates of the authorities after {run.seconds:.1f} s")
    assert {("cp-1", "etcd"), ("cp-1", "kube-apiserver")} <= restarted(before, invocations(cluster))
    assert cluster.machines["cp-1"].read(f"{SSL}/etcd/ca.pem") == pem(renewed["etcd"].certificate)
    assert {name: service.requests for name, service in services.items()} == asked
    becomes(lambda: set(cluster.readiness().values()), {"True"}, 60, "all nodes are Ready")
