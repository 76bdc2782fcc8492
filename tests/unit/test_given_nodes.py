"""Given authorities of a running cluster: which changes of the page are refused, and what nodes get from the page."""

from authorities import DAY, intermediate, make, root
from clusters import cluster
from conftest import page_values
from given_pages import PATH, both, page

from components.config import Page, load
from components.config.generations import KeyGenerations
from components.config.given import given_identities, refused_authorities
from components.node.model import NodePart, Ref
from components.node.plan import NodeEnvironment, plan_node
from components.node.release import unit_flags
from components.node.traits import Traits

# --- changes of a running cluster ---------------------------------------------------------------------------------


def refused(before: Page | None, now: Page) -> list[str]:
    """What is refused after a complete `up` with the page `before`. None: an `up` with authorities of the program."""
    trusted = before.pki.generations if before else KeyGenerations()
    return [str(finding) for finding in refused_authorities(trusted, given_identities(before) if before else {}, now)]


def test_a_renewed_certificate_takes_the_place_of_the_old_one() -> None:
    first = intermediate()
    renewed = make("O=Org,CN=Org Kubernetes CA", root(), key=first.key, ends=200 * DAY)
    assert renewed.chain != first.chain
    assert refused(page(first.on_page()), page(renewed.on_page())) == []
    # Also under another root, and with other issuers between.
    other = make("O=Org,CN=Org Kubernetes CA", root("CN=Other"), key=first.key)
    assert refused(page(first.on_page()), page(other.on_page())) == []


def test_another_key_is_another_generation() -> None:
    (found,) = refused(page(intermediate().on_page()), page(make("O=Org,CN=Org Kubernetes CA", root()).on_page()))
    assert found == (
        f"{PATH}.certificate: has another key, subject or key identifier than generation 1 in the last complete `up`; "
        "allowed: a renewed certificate with all three the same; another generation for another key, such as 2: "
        "a rotation"
    )
    renamed = make("O=Org,CN=another", root(), key=intermediate().key)
    assert len(refused(page(intermediate().on_page()), page(renamed.on_page()))) == 1


def test_who_makes_the_key_of_a_generation_does_not_change() -> None:
    (found,) = refused(None, page(intermediate().on_page()))
    assert found == (
        f"{PATH}.generation: the program has made the key of generation 1; allowed: another generation for another "
        "key, such as 2: a rotation"
    )
    (found,) = refused(page(intermediate().on_page()), load(page_values("stacked")))
    assert found.startswith(
        "hardway:authorities.kubernetes: the key of generation 1 was given, and is no longer on the page"
    )


def test_a_rotation_may_begin_and_end() -> None:
    first, newer = intermediate(), make("CN=new", root())
    trust = page(first.on_page(1), newer.on_page(2), kubernetes=both([1, 2], 1))
    assert refused(page(first.on_page(1)), trust) == []
    assert refused(trust, page(newer.on_page(2), kubernetes=both([2], 2))) == []
    assert refused(trust, page(first.on_page(1))) == []


# --- what nodes get -----------------------------------------------------------------------------------------------


def part(given: Page, node: str = "cp-1") -> NodePart:
    topology = cluster("stacked").topology
    return plan_node(given, topology, topology.node(node), NodeEnvironment({"amd64": "pause"}, {}, Traits()))


def flags(found: NodePart, unit: str) -> dict[str, str]:
    return unit_flags(next(one.text for one in found.units if one.name == f"{unit}.service"))


def test_the_root_verifies_servers_and_no_client() -> None:
    """Otherwise every authority of the organisation could make an administrator of the cluster."""
    found = part(page(intermediate().on_page()))
    contents = {file.path: file.content for file in found.files}
    assert contents["ssl/kubernetes-ca.pem"] == Ref("kubernetes-ca:cert")
    assert contents["ssl/kubernetes-ca-path.pem"] == Ref("kubernetes-ca:path")
    for unit in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        assert flags(found, unit)["client-ca-file"] == "/opt/kubernetes/ssl/kubernetes-ca.pem"
    manager = flags(found, "kube-controller-manager")
    assert manager["root-ca-file"] == "/opt/kubernetes/ssl/kubernetes-ca-path.pem"
    # Its signer wants exactly one certificate, and the bundle of one generation has one.
    assert manager["cluster-signing-cert-file"] == "/opt/kubernetes/ssl/kubernetes-ca.pem"
    assert "ca-file /opt/kubernetes/ssl/kubernetes-ca-path.pem" in str(contents["cfg/haproxy.cfg"])
    (restarted,) = [unit for unit in found.units if unit.name == "kube-controller-manager.service"]
    assert "ssl/kubernetes-ca-path.pem" in restarted.restart_on
    (proxy,) = [unit for unit in found.units if unit.name == "kubernetes-api-proxy.service"]
    assert "ssl/kubernetes-ca-path.pem" in proxy.reload_on


def test_etcd_trusts_the_authority_and_its_proxy_the_root() -> None:
    contents = {file.path: file.content for file in part(page(intermediate().on_page(), name="etcd")).files}
    assert contents["ssl/etcd/ca.pem"] == contents["ssl/kube-apiserver/etcd-ca.pem"] == Ref("etcd-ca:cert")
    assert contents["ssl/etcd-proxy/ca.pem"] == Ref("etcd-ca:path")
    assert "ssl/kubernetes-ca-path.pem" not in contents


def test_without_a_given_authority_nodes_have_no_further_file() -> None:
    for node in ("cp-1", "worker-1"):
        assert not [file.path for file in part(load(page_values("stacked")), node).files if "path" in file.path]
