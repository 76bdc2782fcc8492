"""Each person does what the page gives, is refused the rest, and stands in the audit log by name."""

import json

import pytest

from tests.e2e.people.desk import Desk, audited
from tests.e2e.people.page import DORA, PEOPLE, SHOP
from tests.e2e.people.provider import Provider
from tests.e2e.support import pods
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.kubectl import Kubectl

NOBODY_MAY = (
    "get secrets --namespace=kube-system",
    "get pods --namespace=default",
    "create deployments.apps --namespace=default",
    "get nodes",
    "create namespaces",
    f"delete namespaces/{SHOP}",
    f"patch namespaces/{SHOP}",
    f"patch resourcequotas/hardway --namespace={SHOP}",
    f"delete resourcequotas/hardway --namespace={SHOP}",
    f"create resourcequotas --namespace={SHOP}",
    f"patch limitranges/hardway --namespace={SHOP}",
    f"delete limitranges/hardway --namespace={SHOP}",
    f"create rolebindings.rbac.authorization.k8s.io --namespace={SHOP}",
    "create clusterrolebindings.rbac.authorization.k8s.io",
    "impersonate users",
)
"""What people with the role `edit` in a namespace may not do."""


@pytest.fixture(scope="module")
def anna(provider: Provider, desk: Desk) -> Kubectl:
    """anna, who has the token of one login."""
    return desk.with_token("anna", provider.token("anna"))


@pytest.fixture(scope="module")
def dora(desk: Desk) -> Kubectl:
    """dora, who has a certificate."""
    return desk.with_certificate(DORA)


def test_a_colleague_logs_in_with_the_kubeconfig_that_was_handed_out(cluster: Cluster, desk: Desk) -> None:
    """The output `loginKubeconfig` as it is: kubectl calls its plugin, the browser logs in, and a pod runs."""
    anna = desk.at_login(PEOPLE["anna"])
    who = json.loads(anna("auth", "whoami", "--output=json").ok())["status"]["userInfo"]
    assert who["username"] == PEOPLE["anna"].user
    assert set(who["groups"]) == {"oidc:shop", "system:authenticated"}
    anna.create(pods.pod(SHOP, "first", pods.container(cluster.image, "netexec"))).ok()
    try:
        anna("wait", "--for=condition=Ready", "pod/first", f"--namespace={SHOP}", "--timeout=60s", timeout=90).ok()
        assert "Started HTTP server" in anna("logs", "first", f"--namespace={SHOP}").ok()
        anna("exec", "first", f"--namespace={SHOP}", "--", "/agnhost", "dns-suffix").ok()
        (main,) = anna.get("pod", "first", f"--namespace={SHOP}")["spec"]["containers"]
        assert main["resources"]["limits"]["memory"] == "64Mi", "the default of the page is missing"
    finally:
        anna("delete", "pod", "first", f"--namespace={SHOP}", "--ignore-not-found").ok()


def test_a_wrong_password_is_no_login(desk: Desk) -> None:
    """Kubectl shows what the plugin says, and the API gets no request."""
    stranger = desk.at_login(PEOPLE["anna"])
    assert stranger.environment is not None
    wrong = stranger.as_other(stranger.kubeconfig, {**stranger.environment, "HARDWAY_TEST_PASSWORD": "guessed"})
    answer = wrong("get", "pods", f"--namespace={SHOP}")
    assert answer.code != 0 and "Wrong password" in answer.stderr, answer.text


@pytest.mark.parametrize("who", ["anna", "dora"])
def test_people_of_a_namespace_work_within_its_limits(
    request: pytest.FixtureRequest, cluster: Cluster, who: str
) -> None:
    """With the login and with a certificate: pods, but neither open nor large ones, and not too many."""
    person: Kubectl = request.getfixturevalue(who)
    small = pods.container(cluster.image, "pause")
    large = {**small, "resources": {"limits": {"memory": "200Mi"}}}
    try:
        for number in (1, 2):
            person.create(pods.pod(SHOP, f"{who}-{number}", small)).ok()
        for name, main, why in (
            ("open", {"name": "main", "image": cluster.image}, 'violates PodSecurity "restricted'),
            ("large", large, "maximum memory usage per Container is 96Mi"),
            ("third", small, "exceeded quota: hardway"),
        ):
            answer = person.create(pods.pod(SHOP, name, main))
            assert answer.code != 0 and why in answer.stderr, answer.text
    finally:
        names = [f"pod/{who}-{number}" for number in (1, 2)]
        person("delete", *names, f"--namespace={SHOP}", "--ignore-not-found", "--wait").ok()


@pytest.mark.parametrize("who", ["anna", "dora"])
def test_people_of_a_namespace_may_not_do_more(request: pytest.FixtureRequest, who: str) -> None:
    """Nor change what limits them."""
    person: Kubectl = request.getfixturevalue(who)
    allowed = [what for what in NOBODY_MAY if person("auth", "can-i", *what.split()).stdout.strip() != "no"]
    assert allowed == []
    for change in (
        ("patch", "resourcequota", "hardway", f"--namespace={SHOP}", '--patch={"spec":{"hard":{"pods":"9"}}}'),
        ("delete", "limitrange", "hardway", f"--namespace={SHOP}"),
        ("label", "namespace", SHOP, "--overwrite", "pod-security.kubernetes.io/enforce=privileged"),
    ):
        answer = person(*change)
        assert answer.code != 0 and "is forbidden" in answer.stderr, answer.text


def test_a_group_line_for_the_whole_cluster(provider: Provider, desk: Desk) -> None:
    """`view` reads everywhere, but no Secret, and writes nowhere."""
    paul = desk.with_token("paul", provider.token("paul"))
    for where in ("kube-system", SHOP, "default"):
        paul("get", "pods", f"--namespace={where}").ok()
    _refused(paul, "get", "secrets", f"--namespace={SHOP}")
    _refused(paul, "create", "configmap", "mine", f"--namespace={SHOP}")


def test_a_user_line_with_an_own_role(provider: Provider, desk: Desk) -> None:
    """Exactly the rules of the role, where the line says."""
    rita = desk.with_token("rita", provider.token("rita"))
    rita("get", "deployments", f"--namespace={SHOP}").ok()
    _refused(rita, "get", "deployments", "--namespace=default")
    _refused(rita, "get", "pods", f"--namespace={SHOP}")


def test_who_can_log_in_and_stands_nowhere_on_the_page(provider: Provider, desk: Desk) -> None:
    """The API knows zoe, and refuses everything."""
    zoe = desk.with_token("zoe", provider.token("zoe"))
    zoe("auth", "whoami").ok()
    _refused(zoe, "get", "pods", f"--namespace={SHOP}")
    _refused(zoe, "get", "namespaces")


def test_everybody_stands_in_the_audit_log_by_name(cluster: Cluster) -> None:
    """What each of the tests above did, and what was refused."""
    for name in ("anna", "paul", "rita", "zoe", DORA):
        user = PEOPLE[name].user if name in PEOPLE else name
        decisions = {line["annotations"]["authorization.k8s.io/decision"] for line in audited(cluster, user)}
        assert decisions == {"allow", "forbid"}, name
    made = {
        (line["user"]["username"], line["objectRef"]["name"], line["responseStatus"]["code"])
        for user in (PEOPLE["anna"].user, DORA)
        for line in audited(cluster, user)
        if line["verb"] == "create" and line["objectRef"].get("resource") == "pods" and "name" in line["objectRef"]
    }
    assert {(PEOPLE["anna"].user, "anna-1", 201), (DORA, "dora-1", 201)} <= made
    assert {(PEOPLE["anna"].user, "third", 403), (DORA, "third", 403)} <= made
    groups = {group for line in audited(cluster, PEOPLE["anna"].user) for group in line["user"]["groups"]}
    assert groups == {"oidc:shop", "system:authenticated"}


def _refused(person: Kubectl, *arguments: str) -> None:
    answer = person(*arguments)
    assert answer.code != 0 and "is forbidden" in answer.stderr, answer.text
