"""Certificates: subjects and issuers, and that each file on each machine has the right certificate."""

from datetime import UTC, timedelta
from typing import Any

import pytest
from archives import unpack
from clusters import NAMES, cluster
from fake_engine import NOW, public_key, unpem
from recording import PLACE, REMOTE, Recording, page, recorded

from components.pki.leaves import plan_leaves

ALL = pytest.mark.parametrize("name", NAMES)

# Path in ssl/ on a node with a role -> the leaf or authority whose certificate (.pem) and key (.key) are there.
ETCD = {
    "etcd/ca.pem": "etcd-ca-1",
    "etcd/server.pem": "{node}-etcd-server",
    "etcd/server.key": "{node}-etcd-server",
    "etcd/peer.pem": "{node}-etcd-peer",
    "etcd/peer.key": "{node}-etcd-peer",
}
CONTROL_PLANE = {
    "etcd-proxy/ca.pem": "etcd-ca-1",
    "etcd-proxy/client.pem": "{node}-apiserver-etcd-client",
    "etcd-proxy/client.pem.key": "{node}-apiserver-etcd-client",
    "maintenance/client.pem": "{node}-maintenance",
    "maintenance/client.key": "{node}-maintenance",
    "kubernetes-ca.pem": "kubernetes-ca-1",
    "kube-apiserver/server.pem": "{node}-apiserver",
    "kube-apiserver/server.key": "{node}-apiserver",
    "kube-apiserver/etcd-ca.pem": "etcd-ca-1",
    "kube-apiserver/etcd-client.pem": "{node}-apiserver-etcd-client",
    "kube-apiserver/etcd-client.key": "{node}-apiserver-etcd-client",
    "kube-apiserver/kubelet-client.pem": "{node}-apiserver-kubelet-client",
    "kube-apiserver/kubelet-client.key": "{node}-apiserver-kubelet-client",
    "kube-apiserver/front-proxy-ca.pem": "front-proxy-ca-1",
    "kube-apiserver/front-proxy-client.pem": "{node}-front-proxy-client",
    "kube-apiserver/front-proxy-client.key": "{node}-front-proxy-client",
    "kube-apiserver/service-account.pub": "service-account-1",
    "kube-apiserver/service-account.key": "service-account-1",
    "kube-controller-manager/client.pem": "{node}-kube-controller-manager",
    "kube-controller-manager/client.key": "{node}-kube-controller-manager",
    "kube-controller-manager/server.pem": "{node}-kube-controller-manager-server",
    "kube-controller-manager/server.key": "{node}-kube-controller-manager-server",
    "kube-controller-manager/kubernetes-ca.key": "kubernetes-ca-1",
    "kube-controller-manager/service-account.key": "service-account-1",
    "kube-scheduler/client.pem": "{node}-kube-scheduler",
    "kube-scheduler/client.key": "{node}-kube-scheduler",
    "kube-scheduler/server.pem": "{node}-kube-scheduler-server",
    "kube-scheduler/server.key": "{node}-kube-scheduler-server",
}
KUBELET = {
    "kubernetes-ca.pem": "kubernetes-ca-1",
    "kubelet/server.pem": "{node}-kubelet-server",
    "kubelet/server.key": "{node}-kubelet-server",
    "kubelet/bootstrap-token": "",
    "kubelet/bootstrap-token-end": "",
    "kubelet/client.pem": "{node}-identity",
    "kubelet/client.key": "{node}-identity",
    "kubelet/issuer.pem": "kubernetes-ca-1",
    "kubelet/service-account-key-ids": "",
    "kube-proxy/client.pem": "{node}-kube-proxy",
    "kube-proxy/client.key": "{node}-kube-proxy",
}


def staged(run: Recording, node: str) -> dict[str, str]:
    """The files that are staged on a node, by path."""
    payload = run.named(REMOTE, f"{node}-stage").inputs["stdin"]
    return {path: file.content for path, file in unpack(payload).items()}


def certificates(run: Recording) -> dict[str, dict[str, Any]]:
    """Every certificate that is on a machine, by name."""
    found = {}
    for stage in run.of(REMOTE):
        if stage.name.endswith("-stage"):
            for path, text in staged(run, stage.name.removesuffix("-stage")).items():
                if path.endswith(".pem"):
                    found[unpem(text)["name"]] = unpem(text)
    return found


@ALL
def test_every_place_holds_the_material_of_that_very_node(name: str) -> None:
    run = recorded(name)
    for node in page(name)["nodes"]:
        roles = set(node["roles"])
        wanted = (ETCD if "etcd" in roles else {}) | (CONTROL_PLANE if "control-plane" in roles else {})
        wanted |= KUBELET if roles & {"control-plane", "worker"} else {}
        files = {path[4:]: text for path, text in staged(run, node["name"]).items() if path.startswith("ssl/")}
        assert set(files) == set(wanted), node["name"]
        for path, holder in wanted.items():
            if path.endswith(".pub"):
                assert files[path] == public_key(holder)
            elif holder:
                says = unpem(files[path])
                # A certificate contains its name and the name of its key. A key contains its name.
                assert says.get("name", says["key"]) == says["key"] == holder.format(node=node["name"]), path
                kind = {"pem": "CERTIFICATE", "key": "PRIVATE KEY"}[path.rpartition(".")[2]]
                assert f"BEGIN {kind}-" in files[path], path


@ALL
def test_every_leaf_is_what_was_planned(name: str) -> None:
    made, run = cluster(name, PLACE), recorded(name)
    found = certificates(run)
    lifetimes = made.page.pki.profiles
    extended = {"server": {"server_auth"}, "client": {"client_auth"}, "peer": {"server_auth", "client_auth"}}
    for leaf in plan_leaves(made.page, made.topology):
        if leaf.profile in ("admin", "deployer"):
            continue
        certificate = found.pop(leaf.name)
        assert certificate["issuer"] == f"{leaf.authority}-ca-1"
        assert certificate["subject"]["commonName"] == leaf.common_name
        assert certificate["names"] == [*leaf.dns_names, *leaf.ip_addresses]
        assert set(certificate["uses"]) & {"server_auth", "client_auth"} == extended[leaf.profile], leaf.name
        assert certificate["hours"] == getattr(lifetimes, leaf.profile).lifetime.total_seconds() / 3600
        # For clients of the API, O is the group. The configured O is for servers.
        configured = made.page.pki.subject.organization if leaf.profile in ("server", "peer") else None
        assert certificate["subject"].get("organization") == (leaf.organization or configured)
    assert set(found) <= {"kubernetes-ca-1", "etcd-ca-1", "front-proxy-ca-1"}


@ALL
def test_the_program_and_people_have_lifetimes_of_their_own(name: str) -> None:
    profiles, signed = cluster(name).page.pki.profiles, "tls:index/locallySignedCert:LocallySignedCert"
    for leaf, profile in (("deployer", profiles.deployer), ("admin", profiles.admin)):
        inputs = recorded(name).named(signed, leaf).inputs
        assert inputs["validityPeriodHours"] == profile.lifetime.total_seconds() / 3600
        assert inputs["earlyRenewalHours"] == profile.renew_before.total_seconds() / 3600
        assert inputs["allowedUses"][-1] == "client_auth"


@ALL
def test_every_key_is_of_the_kind_that_the_page_says(name: str) -> None:
    algorithm = cluster(name).page.pki.algorithm
    for key in recorded(name).of("tls:index/privateKey:PrivateKey"):
        if "ssh" in key.name:
            assert key.inputs["algorithm"] == "ED25519", key.name
        elif algorithm.startswith("rsa"):
            assert (key.inputs["algorithm"], key.inputs["rsaBits"]) == ("RSA", int(algorithm[4:])), key.name
        else:
            assert (key.inputs["algorithm"], key.inputs["ecdsaCurve"]) == ("ECDSA", algorithm[6:].upper()), key.name


@ALL
def test_every_certificate_is_renewed_before_its_end(name: str) -> None:
    run = recorded(name)
    issued = [resource for resource in run.resources if resource.type.endswith(("SelfSignedCert", "LocallySignedCert"))]
    for certificate in issued:
        inputs = certificate.inputs
        assert 0 < inputs["earlyRenewalHours"] <= inputs["validityPeriodHours"] / 2, certificate.name
        assert inputs["setSubjectKeyId"] is True
        # The provider drops a limit of 0 silently, and a limit of 1 is not wanted.
        assert "maxPathLength" not in inputs


@ALL
def test_the_inventory_lists_every_authority_and_leaf(name: str) -> None:
    made, run = cluster(name, PLACE), recorded(name)
    inventory = {line["name"]: line for line in run.outputs["certificates"]}
    authorities = ["kubernetes-ca-1", "etcd-ca-1", "front-proxy-ca-1"]
    leaves = plan_leaves(made.page, made.topology)
    assert [line["name"] for line in run.outputs["certificates"]] == [*authorities, *(leaf.name for leaf in leaves)]
    issued = {r.name for r in run.resources if r.type.endswith(("SelfSignedCert", "LocallySignedCert"))}
    assert issued == set(inventory), "a certificate that nobody would renew in time"
    for leaf in leaves:
        line = inventory[leaf.name]
        assert (line["use"], line["issuer"]) == (leaf.profile, f"{leaf.authority}-ca-1")
        assert line["sans"] == [*leaf.dns_names, *leaf.ip_addresses]
        assert line["subject"].startswith(f"CN={leaf.common_name}")
    for certificate in (r for r in run.resources if r.name in inventory and "validityPeriodHours" in r.inputs):
        line, inputs = inventory[certificate.name], certificate.inputs
        end = NOW + timedelta(hours=inputs["validityPeriodHours"])
        renewal = end - timedelta(hours=inputs["earlyRenewalHours"])
        for time, text in ((end, line["notAfter"]), (renewal, line["renewedFrom"])):
            # The clock of the fake engine is not in UTC, but the inventory is.
            assert text == time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), line["name"]


@ALL
def test_machines_let_in_the_stacks_own_key_only(name: str) -> None:
    run = recorded(name)
    for node in page(name)["nodes"]:
        files = unpack(run.named("command:local:Command", f"{node['name']}-machine").inputs["stdin"])
        assert {path: file.mode for path, file in files.items()} == {
            "etc/ssh/ssh_host_ed25519_key": 0o600,
            "root/.ssh/authorized_keys": 0o600,
        }
        assert unpem(files["etc/ssh/ssh_host_ed25519_key"].content)["key"] == f"{node['name']}-ssh-host"
        assert files["root/.ssh/authorized_keys"].content.split() == ["ssh-ed25519", "lab-ssh"]
