"""Rights of anonymous clients, kubelets, developers and the admin."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support import pods
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.kubectl import Kubectl, write_private
from tests.e2e.support.machines import Machine
from tests.e2e.support.process import Answer
from tests.wait import eventually

KUBELET_PEM = "/var/lib/kubelet/pki/kubelet-client-current.pem"
CA = "/opt/kubernetes/ssl/kubernetes-ca.pem"
API = "https://127.0.0.1:16443"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
def test_health_is_for_everybody(cluster: Cluster, path: str) -> None:
    """Load balancers have no credential for their health checks."""
    for machine in cluster.having("control-plane"):
        assert _status(machine, f"https://{machine.address}:{cluster.api_port}{path}") == "200", machine.name


@pytest.mark.parametrize(
    "path", ["/", "/version", "/api", "/apis", "/metrics", "/openapi/v3", "/readyz/etcd", "/api/v1/nodes", "/nothing"]
)
def test_everything_else_is_401_without_credential(cluster: Cluster, path: str) -> None:
    """401 and not 403, because there is no anonymous user on these paths. A wrong token gets 401 as well."""
    for machine in cluster.having("control-plane"):
        url = f"https://{machine.address}:{cluster.api_port}{path}"
        assert _status(machine, url) == "401", machine.name
        assert _status(machine, url, "--header 'Authorization: Bearer abcdef.0123456789abcdef'") == "401", machine.name


@pytest.mark.parametrize("path", ["/pods", "/metrics", "/healthz", "/configz", "/run/x/y/z"])
def test_kubelets_answer_nobody_without_credential(cluster: Cluster, path: str) -> None:
    """Kubelets refuse anonymous requests, and their read-only port is closed."""
    for machine in cluster.machines.values():
        assert _status(machine, f"https://{machine.address}:10250{path}") == "401", machine.name
        assert _status(machine, f"http://{machine.address}:10255{path}") == "000", machine.name


def test_admin_is_not_in_system_masters(cluster: Cluster) -> None:
    """The admin has its rights from RBAC, so RBAC can also remove them."""
    groups = _who(cluster.kubectl)["groups"]
    assert "hardway:cluster-admins" in groups
    assert "system:masters" not in groups
    assert cluster.kubectl("auth", "can-i", "*", "*").ok().strip() == "yes"


def test_developer_works_in_its_namespace(cluster: Cluster, developer: Kubectl) -> None:
    """In `development` the developer deploys, reads logs, runs commands and deletes."""
    assert _who(developer)["username"] == "developer"
    deployment = pods.web("development", "mine", cluster.image, 1)
    try:
        developer.create(deployment).ok()
        developer.rolled_out("development", "mine")
        (pod,) = developer.items("pods", "--namespace=development", "--selector=app=mine")
        name = pod["metadata"]["name"]
        assert "Started HTTP server" in developer("logs", name, "--namespace=development").ok()
        developer("exec", name, "--namespace=development", "--", "/agnhost", "dns-suffix").ok()
    finally:
        developer("delete", "deployment", "mine", "--namespace=development", "--ignore-not-found").ok()


@pytest.mark.parametrize(
    "what",
    [
        "get pods --namespace=default",
        "get pods --namespace=kube-system",
        "get secrets --namespace=kube-system",
        "get secrets --namespace=e2e",
        "create deployments.apps --namespace=e2e",
        "get pods --all-namespaces",
        "get nodes",
        "create namespaces",
        "delete namespaces/development --namespace=development",
        "create rolebindings.rbac.authorization.k8s.io --namespace=development",
        "create clusterrolebindings.rbac.authorization.k8s.io",
        "create certificatesigningrequests.certificates.k8s.io",
        "impersonate users",
        "get /metrics",
    ],
)
def test_developer_may_do_nothing_else(developer: Kubectl, what: str) -> None:
    """The developer has no rights elsewhere, and cannot give itself more rights."""
    answer = developer("auth", "can-i", *what.split())
    assert answer.stdout.strip() == "no", answer.text


def test_developer_is_refused_elsewhere(cluster: Cluster, developer: Kubectl, namespace: str) -> None:
    """The rights that the API server reports are the rights that it grants."""
    answer = developer.create(pods.pod(namespace, "theirs", pods.container(cluster.image, "pause")))
    assert answer.code != 0 and "forbidden" in answer.text
    answer = developer("get", "secrets", "--namespace=kube-system")
    assert answer.code != 0 and "forbidden" in answer.text


def test_kubelet_labels_no_other_node(cluster: Cluster) -> None:
    """NodeRestriction: a kubelet may label its own node, but not as control plane, and no other node."""
    own, other = cluster.having("worker")[:2]
    label = {"metadata": {"labels": {"e2e.example/mine": "yes"}}}
    role = {"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}}
    isolation = {"metadata": {"labels": {"node-restriction.kubernetes.io/mine": "yes"}}}
    assert _as_kubelet(own, "PATCH", f"/api/v1/nodes/{own.name}", label) == "200"
    assert _as_kubelet(own, "PATCH", f"/api/v1/nodes/{own.name}", role) == "403"
    assert _as_kubelet(own, "PATCH", f"/api/v1/nodes/{own.name}", isolation) == "403"
    assert _as_kubelet(own, "PATCH", f"/api/v1/nodes/{other.name}", label) == "403"
    assert _as_kubelet(own, "DELETE", f"/api/v1/nodes/{other.name}") == "403"
    cluster.kubectl("label", "node", own.name, "e2e.example/mine-").ok()


def test_flannel_changes_its_own_node_only(cluster: Cluster) -> None:
    """With the token that lies on a worker: an annotation of flannel on its own node, and nothing else anywhere."""
    own, other = cluster.having("worker")[:2]
    tokens = "/var/lib/kubelet/pods/*/volumes/kubernetes.io~projected/*/token"
    is_flannel = f"jsonpath={{.items[?(@.spec.nodeName=='{own.name}')].metadata.uid}}"
    uid = cluster.kubectl("get", "pods", "--namespace=kube-flannel", f"--output={is_flannel}").ok().split()[-1]
    token = own.run(f"cat {tokens.replace('*', uid, 1)}").ok()

    def patch(node: str, change: dict[str, Any]) -> Answer:
        """The answer of the API to a patch of the status with the token, which is on no command line."""
        arguments = f"-X PATCH -H 'Content-Type: application/strategic-merge-patch+json' -d '{json.dumps(change)}'"
        script = f"curl -sS --fail-with-body --cacert {CA} -K - {arguments} {API}/api/v1/nodes/{node}/status"
        return own.run(script, stdin=f'header = "Authorization: Bearer {token}"\n')

    mine = {"metadata": {"annotations": {"flannel.alpha.coreos.com/e2e": "yes"}}}
    assert patch(own.name, mine).code == 0
    assert patch(own.name, {"metadata": {"annotations": {"flannel.alpha.coreos.com/e2e": None}}}).code == 0
    for node, change, why in (
        (other.name, mine, "its own pod only"),
        (own.name, {"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}}, "no labels"),
        (own.name, {"status": {"capacity": {"cpu": "99"}}}, "only the condition"),
    ):
        answer = patch(node, change)
        assert answer.code != 0 and why in answer.stdout, answer.text


def test_kubelet_reads_secrets_of_its_own_pods_only(cluster: Cluster, namespace: str) -> None:
    """A kubelet may read only the Secrets that pods on its node mount. No other kubelet may read them."""
    own, other = cluster.having("worker")[:2]
    for name in ("mounted", "unrelated"):
        cluster.kubectl("create", "secret", "generic", name, f"--namespace={namespace}", "--from-literal=a=b").ok()
    volume = {"name": "secret", "secret": {"secretName": "mounted"}}
    pod = pods.pod(namespace, "mounts", pods.container(cluster.image, "pause"), nodeName=own.name, volumes=[volume])
    cluster.kubectl.create(pod).ok()
    path = f"/api/v1/namespaces/{namespace}/secrets"

    def readable() -> None:
        assert _as_kubelet(own, "GET", f"{path}/mounted") == "200"

    eventually(readable, 20, "the kubelet reads the secret of its pod")
    assert _as_kubelet(other, "GET", f"{path}/mounted") == "403"
    for kubelet in (own, other):
        assert _as_kubelet(kubelet, "GET", f"{path}/unrelated") == "403"
        assert _as_kubelet(kubelet, "GET", path) == "403"


@pytest.fixture(scope="module")
def developer(cluster: Cluster) -> Kubectl:
    """The developer of the page, with kubectl."""
    kubeconfigs: dict[str, str] = cluster.stack.output("developerKubeconfigs")
    path: Path = write_private(cluster.stack.folder / "developer.kubeconfig", kubeconfigs["developer"])
    return cluster.kubectl.as_other(path)


def _who(kubectl: Kubectl) -> dict[str, Any]:
    user: dict[str, Any] = json.loads(kubectl("auth", "whoami", "--output=json").ok())["status"]["userInfo"]
    return user


def _status(machine: Machine, url: str, options: str = "") -> str:
    """The HTTP status of a request without a certificate. 000 if there is no answer."""
    trust = f"--cacert {CA}"
    command = f"curl -s --max-time 5 {trust} --output /dev/null --write-out '%{{http_code}}' {options} '{url}'"
    return machine.run(command).stdout.strip()


def _as_kubelet(machine: Machine, verb: str, path: str, patch: dict[str, Any] | None = None) -> str:
    """The HTTP status of a request with the machine's own kubelet certificate."""
    options = f"--request {verb} --cert {KUBELET_PEM} --key {KUBELET_PEM}"
    if patch:
        options += " --header 'Content-Type: application/merge-patch+json' --data @-"
    command = f"curl -s --max-time 10 --cacert {CA} --output /dev/null --write-out '%{{http_code}}' {options}"
    answer = machine.run(f"{command} '{API}{path}'", stdin=json.dumps(patch or {}))
    return answer.stdout.strip() if answer.code == 0 else answer.text
