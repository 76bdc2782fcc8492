"""Encryption, audit, admission, TLS, and the issuers of certificates."""

import base64
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from components.node.render.etcd import etcdctl
from tests.e2e.support import pods
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.kubeconfig import unpack
from tests.e2e.support.machines import Machine

SSL = "/opt/kubernetes/ssl"
LOOPBACK = "127.0.0.1", "localhost"
SPOKEN = {2379: "--http2"}
"""The protocol of a port that serves only gRPC. The port closes connections with other protocols."""
AUDIT_LOG = "/opt/kubernetes/log/kube-apiserver/audit.log"
MARK, OPEN = (f"{kind}-value-of-a-test-{secrets.token_hex(8)}" for kind in ("secret", "open"))


@pytest.fixture(scope="module")
def marked(cluster: Cluster, namespace: str) -> str:
    """A Secret of this name that contains MARK, and a ConfigMap with another text."""
    name = f"marked-{secrets.token_hex(4)}"
    for kind in (("secret", "generic"), ("configmap",)):
        value = f"--from-literal=value={MARK if kind[0] == 'secret' else OPEN}"
        cluster.kubectl("create", *kind, name, f"--namespace={namespace}", value).ok()
    return name


def test_secrets_are_unreadable_in_etcd(cluster: Cluster, namespace: str, marked: str) -> None:
    """No member contains the text of the Secret. Every member contains the text of the ConfigMap."""
    for machine in cluster.having("etcd"):
        secret = machine.run(etcdctl(f"get /registry/secrets/{namespace}/{marked} --print-value-only")).ok()
        assert secret.startswith("k8s:enc:secretbox:v1:key1:"), machine.name
        assert MARK not in secret and base64.b64encode(MARK.encode()).decode() not in secret
        config = machine.run(etcdctl(f"get /registry/configmaps/{namespace}/{marked} --print-value-only")).ok()
        assert OPEN in config, machine.name


def test_secrets_are_unreadable_on_disk(cluster: Cluster, marked: str) -> None:
    """The text of the Secret is not on the disk either, not even in the write-ahead log."""
    for machine in cluster.having("etcd"):
        found = machine.run(f"grep -rlaF '{MARK}' /var/lib/etcd").stdout
        assert found == "", machine.name
        assert machine.run(f"grep -rlaF '{OPEN}' /var/lib/etcd").stdout != "", machine.name


def test_audit_log_names_secrets_but_holds_none(cluster: Cluster, namespace: str, marked: str) -> None:
    """The audit log has the user who created the Secret, but not the content of the Secret."""
    cluster.kubectl.get("secret", marked, f"--namespace={namespace}")
    logs = [machine.read(AUDIT_LOG) for machine in cluster.having("control-plane")]
    lines = [line for log in logs for line in log.splitlines() if f'"name":"{marked}"' in line]
    created = [line for line in lines if '"verb":"create"' in line and '"resource":"secrets"' in line]
    assert len(created) == 1 and '"username":"hardway:admin"' in created[0]
    assert any('"verb":"get"' in line and '"resource":"secrets"' in line for line in lines)
    for log in logs:
        assert MARK not in log and base64.b64encode(MARK.encode()).decode() not in log


def test_audit_log_is_private(cluster: Cluster) -> None:
    """Only root and the API server may read the file."""
    for machine in cluster.having("control-plane"):
        assert machine.run(f"stat -c '%U %a' {AUDIT_LOG}").ok().strip() == "kube-apiserver 600", machine.name


@pytest.mark.parametrize(
    ("field", "spec"),
    [
        ("privileged", {"containers": [{"securityContext": {"privileged": True}}]}),
        ("host namespaces", {"hostNetwork": True}),
        ("host namespaces", {"hostPID": True}),
        ("hostPath volumes", {"volumes": [{"name": "root", "hostPath": {"path": "/"}}]}),
        ("non-default capabilities", {"containers": [{"securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}}]}),
    ],
)
def test_pod_security_refuses(cluster: Cluster, namespace: str, field: str, spec: dict[str, Any]) -> None:
    """The profile `baseline`, in a namespace without any label."""
    main = {"name": "main", "image": cluster.image, "args": ["pause"]}
    (more,) = spec.get("containers", [{}])
    manifest = pods.pod(namespace, "refused", main | more, **{k: v for k, v in spec.items() if k != "containers"})
    answer = cluster.kubectl.create(manifest)
    assert answer.code != 0
    assert 'violates PodSecurity "baseline:latest"' in answer.text and field in answer.text


def test_services_capture_no_addresses(cluster: Cluster, namespace: str) -> None:
    """Not even for an administrator: traffic to such an address would leave every node to the Service."""
    manifest = pods.service(namespace, "captured", 80)
    manifest["spec"]["externalIPs"] = [cluster.having("etcd")[0].address]
    answer = cluster.kubectl.create(manifest)
    assert answer.code != 0 and "externalIPs" in answer.text, answer.text


def test_pods_have_the_seccomp_profile_of_the_runtime(cluster: Cluster) -> None:
    """Pods of CoreDNS name no profile. Mode 2: a filter of system calls (proc(5))."""
    modes = [
        machine.run("for p in $(pgrep -x coredns); do sed -n 's/^Seccomp:[[:space:]]*//p' /proc/$p/status; done").ok()
        for machine in cluster.machines.values()
    ]
    assert set("".join(modes).split()) == {"2"}


@pytest.mark.parametrize("port", [2379, 2380, 2381])
def test_etcd_refuses_clients_without_its_certificate(cluster: Cluster, port: int) -> None:
    """Clients without a certificate or with one of another authority are refused, and a member is accepted."""
    path = "/version"
    for machine in cluster.having("etcd"):
        url = f"https://{machine.address}:{port}{path}"
        curl = f"curl -sS {SPOKEN.get(port, '--http1.1')} --max-time 5 --cacert {SSL}/etcd/ca.pem --output /dev/null"
        foreign = f"--cert {SSL}/kubelet/server.pem --key {SSL}/kubelet/server.key"
        own = f"--cert {SSL}/etcd/peer.pem --key {SSL}/etcd/peer.key"
        for options in ("", foreign):
            answer = machine.run(f"{curl} {options} {url}")
            # 35, 55, 56: the handshake, sending or receiving failed; 16: the same with HTTP/2. Not 60, a failed
            # verification of the server.
            assert answer.code in (16, 35, 55, 56), f"{machine.name} {options}: {answer.text}"
        assert machine.run(f"{curl} {own} {url}").code == 0, machine.name


@pytest.mark.parametrize(("port", "role"), [(None, "control-plane"), (2379, "etcd"), (2380, "etcd"), (10250, "worker")])
def test_old_tls_is_refused(cluster: Cluster, port: int | None, role: str) -> None:
    """Refused are TLS 1.0, TLS 1.1, and TLS 1.2 with old ciphers. TLS 1.2 with an allowed cipher and TLS 1.3 work."""
    port = port or cluster.api_port
    for machine in cluster.having(role):

        def offer(version: str, cipher: str = "ALL", machine: Machine = machine) -> str:
            options = (f"--version={version}", f"--ciphers={cipher}")
            return machine.tool("tls", machine.address, str(port), *options).ok().strip()

        assert offer("1.0") == "refused TLSV1_ALERT_PROTOCOL_VERSION"
        assert offer("1.1") == "refused TLSV1_ALERT_PROTOCOL_VERSION"
        for cipher in ("AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA"):
            assert offer("1.2", cipher) == "refused SSLV3_ALERT_HANDSHAKE_FAILURE", cipher
        own = f"--cert {SSL}/etcd/peer.pem --key {SSL}/etcd/peer.key" if role == "etcd" else ""
        for good in ("--tls-max 1.2 --ciphers ECDHE-ECDSA-AES256-GCM-SHA384", "--tlsv1.3"):
            url = f"https://{machine.address}:{port}/version"
            how = SPOKEN.get(port, "--http1.1")
            curl = machine.run(f"curl -sS {how} --insecure --max-time 5 --output /dev/null {good} {own} {url}")
            assert curl.code == 0, f"{machine.name} {good}: {curl.text}"


def test_serving_certificates_verify_against_the_authority(cluster: Cluster) -> None:
    """The certificate of every TLS server, for each name that clients use. Another authority does not verify it."""
    authority = unpack(cluster.stack.kubeconfig, cluster.stack.folder / "admin").ca.read_text()
    kubernetes, etcd = f"{SSL}/kubernetes-ca.pem", f"{SSL}/etcd/ca.pem"
    for machine in cluster.machines.values():
        assert machine.read(kubernetes).strip() == authority.strip()
        by_name = machine.address, machine.name
        served = [(10250, kubernetes, by_name)]
        if machine in cluster.having("control-plane"):
            served.append((cluster.api_port, kubernetes, by_name))
            served += [(10257, kubernetes, LOOPBACK), (10259, kubernetes, LOOPBACK)]
        if machine in cluster.having("etcd"):
            served += [(2379, etcd, by_name), (2380, etcd, by_name)]
        for port, ca, hosts in served:
            wrong = kubernetes if ca == etcd else f"{SSL}/kube-apiserver/front-proxy-ca.pem"
            for host in hosts:
                # 7: nothing listens; 60: the verification failed. The answer after the handshake does not count.
                assert _verify(machine, host, port, ca) not in (7, 60), f"{host}:{port}"
            if machine in cluster.having("control-plane"):
                assert _verify(machine, hosts[0], port, wrong) == 60, f"{machine.name}:{port}"


def test_kubelet_certificates_came_from_csrs(cluster: Cluster) -> None:
    """Each kubelet requested its client certificate with the bootstrap token, and no person approved it."""
    requests = cluster.kubectl.items("certificatesigningrequests")
    issued = {
        base64.b64decode(request["status"]["certificate"]).decode().strip(): request
        for request in requests
        if request["spec"]["signerName"] == "kubernetes.io/kube-apiserver-client-kubelet"
        and request["status"].get("certificate")
    }
    for machine in cluster.machines.values():
        pem = machine.read("/var/lib/kubelet/pki/kubelet-client-current.pem")
        (certificate,) = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", pem, re.DOTALL)
        assert certificate in issued, machine.name
        request = issued[certificate]
        assert request["spec"]["username"].startswith("system:bootstrap:")
        assert {c["reason"] for c in request["status"]["conditions"] if c["type"] == "Approved"} == {"AutoApproved"}


def test_certificates_output_is_complete(cluster: Cluster) -> None:
    """The output lists issuer, subject and end of every certificate file of every machine. None has expired."""
    entries: list[dict[str, Any]] = cluster.stack.output("certificates")
    now = datetime.now(UTC)
    for entry in entries:
        end, renewal = (datetime.fromisoformat(entry[key]) for key in ("notAfter", "renewedFrom"))
        assert now < renewal < end, entry["name"]
    listed = {(datetime.fromisoformat(entry["notAfter"]), _common_name(entry["subject"])) for entry in entries}
    for machine in cluster.machines.values():
        found = _certificates(machine)
        assert len(found) >= 3, machine.name
        assert {path: facts for path, facts in found.items() if facts not in listed} == {}, machine.name
    names = [entry["name"] for entry in entries]
    assert len(names) == len(set(names))
    longest = {"admin": timedelta(days=30), "deployer": timedelta(days=3)}
    credentials = [entry for entry in entries if entry["use"] in longest]
    assert {"admin", "deployer", "developer-developer"} == {entry["name"] for entry in credentials}
    for entry in credentials:
        assert datetime.fromisoformat(entry["notAfter"]) - now < longest[entry["use"]], entry["name"]


def _common_name(subject: str) -> str:
    found = re.search(r"CN\s*=\s*([^,/]+)", subject)
    assert found, subject
    return found[1].strip()


def _certificates(machine: Machine) -> dict[str, tuple[datetime, str]]:
    """End and common name of every certificate file on a machine, by path."""
    show = "openssl x509 -noout -enddate -subject -nameopt RFC2253,sep_comma_plus_space -in"
    answer = machine.run(f"find -L {SSL} -name '*.pem' | while read -r path; do echo $path; {show} $path; done").ok()
    found = re.findall(r"^(/\S+)\nnotAfter=(.*)\nsubject=(.*)$", answer, re.MULTILINE)
    return {
        path: (datetime.strptime(end, "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC), _common_name(subject))
        for path, end, subject in found
    }


def _verify(machine: Machine, host: str, port: int, ca: str) -> int:
    """The exit code of curl for a request to this machine with `host`, a name or an address of its certificate."""
    address = "127.0.0.1" if host in LOOPBACK else machine.address
    resolve = f"--resolve {host}:{port}:{address}"
    code: int = machine.run(
        f"curl -s --max-time 5 {resolve} --cacert {ca} --output /dev/null https://{host}:{port}/"
    ).code
    return code
