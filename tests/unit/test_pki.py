"""Certificates before they are issued: which there are, for what, with which names; and what is said about them."""

import base64
import json
from datetime import timedelta

import pytest
from clusters import NAMES, cluster

from components.addons.bindings import cluster_bindings
from components.config.durations import hours
from components.config.pki import Profiles, Subject
from components.config.rules.settings import COMPONENTS
from components.pki import kubeconfig
from components.pki.inventory import CertificateEntry, entry
from components.pki.keys import leaf_uses, private_key_args
from components.pki.leaves import ADMIN_GROUP, DEPLOYER_GROUP, plan_leaves
from components.pki.subject import distinguished_name, subject_args

FULL = Subject(country="CN", state="BeiJing", locality="BeiJing", organization="k8s", organizationalUnit="System")


# --- leaves ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_what_holds_for_every_leaf(name: str) -> None:
    made = cluster(name)
    leaves = plan_leaves(made.page, made.topology)
    names = [leaf.name for leaf in leaves]
    assert len(set(names)) == len(names)
    assert leaves == plan_leaves(made.page, made.topology)
    for leaf in leaves:
        serves = leaf.profile in ("server", "peer")
        assert bool(leaf.dns_names and leaf.ip_addresses) == serves, leaf.name
        assert not leaf.organization or leaf.authority == "kubernetes", leaf.name
        # Only its own API servers are clients of etcd and of extension API servers.
        if leaf.authority == "etcd":
            assert leaf.profile in ("server", "peer") or leaf.common_name == "kube-apiserver-etcd-client"
        if leaf.authority == "front-proxy":
            assert leaf.common_name == "front-proxy-client"


@pytest.mark.parametrize("name", NAMES)
def test_nobody_is_beyond_rbac_and_the_program_has_a_group_of_its_own(name: str) -> None:
    leaves = plan_leaves(cluster(name).page, cluster(name).topology)
    assert "system:masters" not in {leaf.organization for leaf in leaves}
    assert [leaf.name for leaf in leaves if leaf.organization == DEPLOYER_GROUP] == ["deployer"]
    assert [leaf.name for leaf in leaves if leaf.organization == ADMIN_GROUP] == ["admin"]
    assert [leaf.name for leaf in leaves if leaf.profile == "deployer"] == ["deployer"]
    assert "admin" in {leaf.name for leaf in leaves if leaf.profile == "admin"}


@pytest.mark.parametrize("name", NAMES)
def test_no_developer_can_have_the_name_of_a_component(name: str) -> None:
    """RBAC knows users by their common names alone. A node is a user with a prefix."""
    made = cluster(name)
    own = {node.name for node in made.topology.nodes} | {one.name for one in made.page.access.developers}
    names = {leaf.common_name for leaf in plan_leaves(made.page, made.topology)}
    assert {one for one in names - own if ":" not in one} <= {*COMPONENTS}
    assert all(":" in one.subject or one.subject in COMPONENTS for one in cluster_bindings())


def test_the_credential_with_all_rights_lives_for_days() -> None:
    """It outlasts a weekend and a night without a renewal; an `up` of 36 hours does not outlast it."""
    deployer, admin = Profiles().deployer, Profiles().admin
    assert timedelta(days=2) < deployer.lifetime <= timedelta(days=3) < admin.lifetime
    assert deployer.renew_before == timedelta(hours=36)


@pytest.mark.parametrize("name", NAMES)
def test_a_machine_has_leaves_for_its_roles_only(name: str) -> None:
    made = cluster(name)
    leaves = {leaf.name for leaf in plan_leaves(made.page, made.topology)}
    for node in made.topology.nodes:
        own = {leaf.removeprefix(f"{node.name}-") for leaf in leaves if leaf.startswith(f"{node.name}-")}
        wanted = {"etcd-server", "etcd-peer"} if node.is_etcd else set()
        if node.is_control_plane:
            wanted |= {"apiserver", "apiserver-etcd-client", "apiserver-kubelet-client", "front-proxy-client"}
            wanted |= {"maintenance", "kube-controller-manager", "kube-controller-manager-server"}
            wanted |= {"kube-scheduler", "kube-scheduler-server"}
        wanted |= {"kubelet-server", "identity", "kube-proxy"} if node.runs_kubelet else set()
        assert own == wanted, node.name


def test_names_of_the_page_are_on_every_api_server() -> None:
    made = cluster("stacked", {"api.extraSans": ["api.example.com", "192.0.2.7"]})
    servers = [leaf for leaf in plan_leaves(made.page, made.topology) if leaf.name.endswith("-apiserver")]
    assert len(servers) == 3
    for leaf in servers:
        assert "api.example.com" in leaf.dns_names
        assert "192.0.2.7" in leaf.ip_addresses


def test_developers_of_the_page_have_leaves() -> None:
    people = [{"name": "alice", "namespace": "shop"}, {"name": "bob", "namespace": "lab"}]
    made = cluster("stacked", {"access.developers": people})
    found = {leaf.common_name: leaf for leaf in plan_leaves(made.page, made.topology) if "developer-" in leaf.name}
    assert {name: leaf.organization for name, leaf in found.items()} == {
        "alice": "hardway:developers:shop",
        "bob": "hardway:developers:lab",
    }


# --- keys and subjects -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("algorithm", "args"),
    [
        ("ecdsa-p256", {"algorithm": "ECDSA", "ecdsa_curve": "P256"}),
        ("ecdsa-p384", {"algorithm": "ECDSA", "ecdsa_curve": "P384"}),
        ("rsa-2048", {"algorithm": "RSA", "rsa_bits": 2048}),
        ("rsa-4096", {"algorithm": "RSA", "rsa_bits": 4096}),
    ],
)
def test_key_algorithms(algorithm: str, args: dict[str, object]) -> None:
    assert private_key_args(algorithm) == args


@pytest.mark.parametrize(
    ("profile", "extended"),
    [
        ("server", ["server_auth"]),
        ("client", ["client_auth"]),
        ("admin", ["client_auth"]),
        ("deployer", ["client_auth"]),
        ("peer", ["server_auth", "client_auth"]),
    ],
)
def test_key_usages(profile: str, extended: list[str]) -> None:
    assert leaf_uses(profile, "ecdsa-p256") == ["digital_signature", *extended]
    assert leaf_uses(profile, "rsa-2048") == ["digital_signature", "key_encipherment", *extended]


def test_hours() -> None:
    assert hours(timedelta(days=365)) == 8760
    assert hours(timedelta(hours=2)) == 2


def test_subjects() -> None:
    server = subject_args(FULL, common_name="kube-apiserver", organization="k8s")
    assert distinguished_name(server) == "CN=kube-apiserver,O=k8s,OU=System,L=BeiJing,ST=BeiJing,C=CN"
    other = subject_args(FULL, common_name="x", organization=None)
    assert distinguished_name(other) == "CN=x,OU=System,L=BeiJing,ST=BeiJing,C=CN"
    assert subject_args(Subject(), common_name="x", organization=None) == {"common_name": "x"}


# --- inventory ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "not_after", ["2027-01-31T12:00:00Z", "2027-01-31T14:00:00+02:00", "2027-01-31T04:30:00.000-07:30"]
)
def test_times_of_the_inventory_are_in_utc(not_after: str) -> None:
    line = entry(
        name="cp-1-apiserver",
        use="server",
        subject="CN=kube-apiserver",
        sans=("cp-1", "10.0.0.1"),
        issuer="kubernetes-ca-1",
        not_after=not_after,
        renew_before_hours=720,
    )
    assert line == CertificateEntry(
        name="cp-1-apiserver",
        use="server",
        subject="CN=kube-apiserver",
        sans=["cp-1", "10.0.0.1"],
        issuer="kubernetes-ca-1",
        notAfter="2027-01-31T12:00:00Z",
        renewedFrom="2027-01-01T12:00:00Z",
    )


# --- kubeconfigs -------------------------------------------------------------------------------------------------


def test_a_kubeconfig_for_people_stands_alone() -> None:
    pem = {"ca": "authority\n", "cert": "certificate ü\n", "key": "key\n"}
    text = kubeconfig.embedded(cluster="demo", server="https://x:6443", user="admin", **pem)
    config = json.loads(text)
    user, cluster_ = config["users"][0]["user"], config["clusters"][0]["cluster"]
    data = (cluster_["certificate-authority-data"], user["client-certificate-data"], user["client-key-data"])
    assert [base64.b64decode(part).decode() for part in data] == list(pem.values())
    assert config["current-context"] == config["contexts"][0]["name"] == "admin@demo"
    assert not [value for value in (*user.values(), *cluster_.values()) if value.startswith("/")]


def test_a_kubeconfig_on_a_node_holds_no_secret() -> None:
    files = kubeconfig.by_files(cluster="demo", server="https://x", user="u", ca="/ca", cert="/cert", key="/key")
    token = kubeconfig.by_token_file(cluster="demo", server="https://x", user="u", ca="/ca", token="/token")
    assert json.loads(files)["users"][0]["user"] == {"client-certificate": "/cert", "client-key": "/key"}
    assert json.loads(token)["users"][0]["user"] == {"tokenFile": "/token"}
    for text in (files, token):
        assert "-data" not in text
