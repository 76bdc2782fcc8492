"""The other ways to log in: a proxy, a static token, a service that knows tokens, and a service that gives rights."""

import json

import pytest

from tests.e2e.people.desk import Desk, audited
from tests.e2e.people.page import NODE, SHOP, TOLERATION
from tests.e2e.people.ways import Ways
from tests.e2e.support import pods
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.kubectl import Kubectl

_COUNT = """
cat >/run/wanted
{ journalctl -u kube-apiserver; cat /opt/kubernetes/log/kube-apiserver/*; } | grep -c -F -f /run/wanted
rm /run/wanted
"""
PODS = f"/api/v1/namespaces/{SHOP}/pods"


@pytest.fixture(scope="module")
def proxied(services: Ways) -> Ways:
    """The services, with a proxy that runs."""
    services.start_proxy()
    return services


def test_a_proxy_logs_people_in(cluster: Cluster, proxied: Ways) -> None:
    """Eve has the rights of her group through nginx with the certificate of the page, and stands in the audit log."""
    assert _status(proxied, PODS) == 200
    assert _status(proxied, "/api/v1/namespaces/default/pods") == 403
    assert _status(proxied, PODS, password="guessed") == 401
    seen = audited(cluster, "sso:eve")
    assert {line["annotations"]["authorization.k8s.io/decision"] for line in seen} == {"allow", "forbid"}
    assert {group for line in seen for group in line["user"]["groups"]} == {"sso:staff", "system:authenticated"}


def test_a_proxy_lets_nobody_choose_a_name(proxied: Ways) -> None:
    """What the client writes into the headers of the proxy does not arrive."""
    for header in ("X-Remote-Group: system:masters", "X-Remote-User: hardway:admin"):
        assert _status(proxied, "/api/v1/nodes", "--header", f"'{header}'") == 403


def test_who_is_no_proxy_chooses_no_name(cluster: Cluster, services: Ways, desk: Desk) -> None:
    """The same headers beside a token of somebody mean nothing."""
    robot = desk.with_token("robot", services.static)
    asked = cluster.having("control-plane")[0]
    url = f"https://{asked.address}:{cluster.api_port}/api/v1/nodes"
    script = f"curl -s --cacert /opt/kubernetes/ssl/kubernetes-ca.pem -K - -o /dev/null -w '%{{http_code}}' '{url}'"
    headers = [f"Authorization: Bearer {services.static}", "X-Remote-User: x", "X-Remote-Group: system:masters"]
    answer = asked.run(script, stdin="".join(f'header = "{header}"\n' for header in headers))
    assert answer.stdout == "403", answer.text
    assert _who(robot) == ("robot", {"robots", "system:authenticated"})


def test_a_static_token_has_the_rights_of_its_groups(cluster: Cluster, services: Ways, desk: Desk) -> None:
    """And its name in the audit log. No log of an API server has the token."""
    robot = desk.with_token("robot", services.static)
    robot("get", "pods", f"--namespace={SHOP}").ok()
    answer = robot("create", "configmap", "mine", f"--namespace={SHOP}")
    assert answer.code != 0 and "is forbidden" in answer.stderr, answer.text
    assert audited(cluster, "robot")
    for machine in cluster.having("control-plane"):
        found = machine.run(_COUNT, stdin=services.static)
        assert found.ok().strip() == "0", machine.name


def test_a_service_knows_tokens_and_another_gives_rights(cluster: Cluster, services: Ways, desk: Desk) -> None:
    """Bob has no line on the page: the first service says who bob is, the second that bob may list pods."""
    bob = desk.with_token("bob", services.of_bob)
    assert _who(bob) == ("corp:bob", {"corp:staff", "system:authenticated"})
    bob("get", "pods", f"--namespace={SHOP}").ok()
    for what in (("secrets", f"--namespace={SHOP}"), ("pods", "--namespace=default")):
        answer = bob("get", *what)
        assert answer.code != 0 and "is forbidden" in answer.stderr, answer.text
    assert services.tokens.names == services.rights.names == {"kube-apiserver-webhook-client"}
    namespaces = {review["spec"]["resourceAttributes"]["namespace"] for review in services.rights.asked}
    assert namespaces == {SHOP}, "the service is asked about more than the condition of the page says"
    assert {line["annotations"]["authorization.k8s.io/decision"] for line in audited(cluster, "corp:bob")} == {
        "allow",
        "forbid",
    }


def test_plugins_of_admission(cluster: Cluster) -> None:
    """A pod of the namespace gets the node selector and the toleration of the page; its image is always asked for."""
    main = {**pods.container(cluster.image, "pause"), "imagePullPolicy": "IfNotPresent"}
    admin = cluster.kubectl
    admin.create(pods.pod(SHOP, "selected", main)).ok()
    try:
        spec = admin.get("pod", "selected", f"--namespace={SHOP}")["spec"]
        assert spec["nodeSelector"] == {"kubernetes.io/hostname": NODE}
        assert spec["containers"][0]["imagePullPolicy"] == "Always"
        assert TOLERATION in spec["tolerations"]
        ready = ("wait", "--for=condition=Ready", "pod/selected", f"--namespace={SHOP}", "--timeout=60s")
        admin(*ready, timeout=90).ok()
        assert admin.get("pod", "selected", f"--namespace={SHOP}")["spec"]["nodeName"] == NODE
    finally:
        admin("delete", "pod", "selected", f"--namespace={SHOP}", "--ignore-not-found").ok()
    elsewhere = pods.pod(SHOP, "elsewhere", main, nodeSelector={"kubernetes.io/hostname": "worker-2"})
    answer = admin.create(elsewhere)
    assert answer.code != 0 and "node label selector conflicts with its namespace" in answer.stderr, answer.text
    everywhere = pods.pod(SHOP, "everywhere", main, tolerations=[{"operator": "Exists"}])
    answer = admin.create(everywhere)
    assert answer.code != 0 and "whitelist" in answer.stderr, answer.text


def _status(proxied: Ways, path: str, *options: str, password: str = "") -> int:
    answer = proxied.through_proxy(path, *options, password=password)
    return int(answer.ok().rpartition("\n")[2])


def _who(kubectl: Kubectl) -> tuple[str, set[str]]:
    user = json.loads(kubectl("auth", "whoami", "--output=json").ok())["status"]["userInfo"]
    return user["username"], set(user["groups"])
