"""After a rotation: old credentials are refused, and everything is of the second generation."""

import json
import re

import pytest

from tests.e2e.rotation.conftest import KUBELET, SSL, Before, Talker, encryption_keys
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.machines import Machine

API = "https://127.0.0.1:6443"
CURL = f"curl -sS --max-time 5 --cacert {SSL}/kubernetes-ca.pem"


def status(machine: Machine, options: str, path: str = "/api/v1/namespaces", stdin: str = "") -> str:
    """The HTTP status of a request to the API server of a machine. On the machine, /run/given contains `stdin`."""
    write = "umask 077; cat >/run/given;"
    ask = f"{CURL} {options} --output /dev/null --write-out '%{{http_code}}' {API}{path}; rm -f /run/given"
    return machine.run(f"{write} {ask}", stdin=stdin).ok()


def test_the_admin_of_before_is_refused(cluster: Cluster, before: Before) -> None:
    """The old kubeconfig does not trust the API, and the API does not trust the certificate in the old kubeconfig."""
    old = cluster.kubectl.as_other(before.kubeconfig)
    assert "certificate signed by unknown authority" in old("get", "nodes").text
    refused = old("get", "nodes", "--insecure-skip-tls-verify=true", "--certificate-authority=")
    assert refused.code != 0
    assert "Unauthorized" in refused.text or "must be logged in" in refused.text


def test_a_token_of_before_is_refused(cluster: Cluster, before: Before) -> None:
    header = f"Authorization: Bearer {before.token}"
    assert status(cluster.machines["cp-1"], "--header @/run/given", stdin=header) == "401"


@pytest.mark.parametrize("which", ["kubelet", "front_proxy"])
def test_certificates_of_before_are_refused_by_the_api(cluster: Cluster, before: Before, which: str) -> None:
    pair = getattr(before, which)
    # A front proxy names the user of a request in headers.
    options = "--cert /run/given --header 'X-Remote-User: hardway:admin' --header 'X-Remote-Group: system:masters'"
    assert status(cluster.machines["cp-1"], options, stdin=pair) == "401"


def test_the_front_proxy_of_now_is_accepted(cluster: Cluster) -> None:
    """Shows that the previous test fails because of the old certificate, not for another reason."""
    at = f"{SSL}/kube-apiserver/front-proxy-client"
    pair = cluster.machines["cp-1"].run(f"cat {at}.pem {at}.key").ok()
    options = "--cert /run/given --header 'X-Remote-User: somebody' --header 'X-Remote-Group: system:masters'"
    assert status(cluster.machines["cp-1"], options, stdin=pair) == "200"


def test_a_member_of_before_is_refused_by_etcd(cluster: Cluster, before: Before) -> None:
    machine = cluster.machines["cp-2"]
    ask = f"curl -sS --max-time 5 --cacert {SSL}/etcd/ca.pem --cert /run/given https://127.0.0.1:2379/version"
    old = machine.run(f"umask 077; cat >/run/given; {ask}; code=$?; rm -f /run/given; exit $code", stdin=before.etcd)
    assert old.code != 0
    now = machine.run(f"cat {SSL}/etcd/peer.pem {SSL}/etcd/peer.key").ok()
    new = machine.run(f"umask 077; cat >/run/given; {ask}; code=$?; rm -f /run/given; exit $code", stdin=now)
    assert new.code == 0, new.text


def test_every_secret_is_encrypted_with_the_second_key(cluster: Cluster) -> None:
    found = encryption_keys(cluster)
    assert set(found) == {"key2"}
    assert len(found) == len(cluster.kubectl.items("secrets", "--all-namespaces"))


def test_the_login_key_of_before_is_refused(cluster: Cluster) -> None:
    """The SSH servers of the machines accept one key, the second one."""
    for machine in cluster.machines.values():
        (line,) = machine.read("/root/.ssh/authorized_keys").splitlines()
        assert line.endswith(" hardway-login-2"), machine.name


def test_kubelets_have_certificates_of_the_second_authority(cluster: Cluster) -> None:
    """The certificates are valid for at most eight days, and the kubelets keep no other client certificates."""
    for machine in cluster.machines.values():
        shown = machine.run(f"openssl x509 -noout -issuer -checkend 691200 -in {KUBELET}")
        assert "kubernetes-ca-2" in shown.text, machine.name
        assert shown.code == 1, f"{machine.name}: the certificate of the kubelet lives for more than eight days"
        kept = machine.run("ls /var/lib/kubelet/pki").ok().split()
        assert len([name for name in kept if re.match(r"kubelet-client-\d", name)]) == 1, machine.name


def test_namespaces_and_aggregated_apis_trust_the_second_authorities_only(cluster: Cluster) -> None:
    bundle = cluster.machines["cp-1"].read(f"{SSL}/kubernetes-ca.pem")
    maps = [m for m in cluster.kubectl.items("configmaps", "-A") if m["metadata"]["name"] == "kube-root-ca.crt"]
    assert len(maps) == len(cluster.kubectl.items("namespaces"))
    assert {item["data"]["ca.crt"].strip() for item in maps} == {bundle.strip()}
    found = cluster.kubectl.get("configmap", "extension-apiserver-authentication", "--namespace=kube-system")["data"]
    assert found["client-ca-file"].strip() == bundle.strip()
    assert found["requestheader-client-ca-file"].count("BEGIN CERTIFICATE") == 1


def test_a_node_obtains_no_certificate_of_another_name(cluster: Cluster) -> None:
    """A node requests a certificate with the name of another node. The request is not approved."""
    machine = cluster.machines["worker-1"]
    make = "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout /dev/null"
    request = machine.run(f"{make} -subj '/O=system:nodes/CN=system:node:cp-1' | base64 -w0").ok().strip()
    manifest = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "as-another-node"},
        "spec": {
            "request": request,
            "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
            "usages": ["digital signature", "client auth"],
        },
    }
    kubectl = "/opt/kubernetes/bin/kubectl --kubeconfig /opt/kubernetes/cfg/kubelet-identity.kubeconfig"
    made = machine.run(f"{kubectl} create --filename -", stdin=json.dumps(manifest))
    if made.code == 0:
        waited = cluster.kubectl("wait", "csr/as-another-node", "--for=condition=Approved", "--timeout=20s")
        assert waited.code != 0, "the request was approved"
        cluster.kubectl("delete", "csr", "as-another-node").ok()
    else:
        assert "forbidden" in made.text.lower(), made.text


def test_bootstrap_tokens_end(cluster: Cluster, talker: Talker) -> None:
    """After the end of a token, the cluster deletes the token and refuses it."""
    machine = cluster.machines["worker-1"]
    token = machine.read(f"{SSL}/kubelet/bootstrap-token").strip()
    name = f"bootstrap-token-{token.partition('.')[0]}"
    header = f"Authorization: Bearer {token}"
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    patch = json.dumps({"stringData": {"expiration": "2020-01-01T00:00:00Z"}})
    cluster.kubectl("patch", "secret", name, "--namespace=kube-system", f"--patch={patch}")
    cluster.kubectl("wait", "--for=delete", f"secret/{name}", "--namespace=kube-system", "--timeout=30s").ok()
    assert status(cluster.machines["cp-1"], "--header @/run/given", path, header) == "401"
