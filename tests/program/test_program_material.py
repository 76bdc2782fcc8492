"""Certificates: whose they are, who signed them, and that each machine gets its own at every place."""

from datetime import UTC, timedelta
from typing import Any

import pytest
from archives import unpack
from clusters import NAMES, cluster
from fake_engine import NOW, unpem
from recording import PLACE, REMOTE, Recording, page, recorded

from components.pki.leaves import plan_leaves

ALL = pytest.mark.parametrize("name", NAMES)

# Path below ssl/ on a node with a role -> the leaf or authority whose certificate (.pem) and key (.key) lie there.
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
    "kube-proxy/client.pem": "{node}-kube-proxy",
    "kube-proxy/client.key": "{node}-kube-proxy",
}


def staged(run: Recording, node: str) -> dict[str, str]:
    """The files that are staged on a node, by path."""
    payload = run.named(REMOTE, f"{node}-stage").inputs["stdin"]
    return {path: file.content for path, file in unpack(payload).items()}


def certificates(run: Recording) -> dict[str, dict[str, Any]]:
    """Every certificate that lies on some machine, by name."""
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
            if holder:
                says = unpem(files[path])
                # A certificate says its name and whose key is in it; a key says whose it is.
                assert says.get("name", says["key"]) == says["key"] == holder.format(node=node["name"]), path
                kind = {"pem": "CERTIFICATE", "key": "PRIVATE KEY", "pub": "PUBLIC KEY"}[path.rpartition(".")[2]]
                assert f"BEGIN {kind}-" in files[path], path


@ALL
def test_every_leaf_is_what_was_planned(name: str) -> None:
    made, run = cluster(name, PLACE), recorded(name)
    found = certificates(run)
    lifetimes = made.page.pki.profiles
    extended = {"server": {"server_auth"}, "client": {"client_auth"}, "peer": {"server_auth", "client_auth"}}
    for leaf in plan_leaves(made.page, made.topology):
        if leaf.profile == "admin":
            continue
        certificate = found.pop(leaf.name)
        assert certificate["issuer"] == f"{leaf.authority}-ca-1"
        assert certificate["subject"]["commonName"] == leaf.common_name
        assert certificate["names"] == [*leaf.dns_names, *leaf.ip_addresses]
        assert set(certificate["uses"]) & {"server_auth", "client_auth"} == extended[leaf.profile], leaf.name
        assert certificate["hours"] == getattr(lifetimes, leaf.profile).lifetime.total_seconds() / 3600
        # O is a group where the API server is asked; the configured one is for servers.
        configured = made.page.pki.subject.organization if leaf.profile in ("server", "peer") else None
        assert certificate["subject"].get("organization") == (leaf.organization or configured)
    assert set(found) <= {"kubernetes-ca-1", "etcd-ca-1", "front-proxy-ca-1"}


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
        # The provider leaves a limit of 0 out without a word, and 1 is none that we want.
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
            # The fake engine's clock is not in UTC, the inventory is.
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
