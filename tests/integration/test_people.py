"""Namespaces and roles of the page: people do what they may, and are refused the rest, by a real API server."""

import base64
import json
import urllib.error
from collections.abc import Iterator
from typing import Any

import pytest
from api_server import MERGE
from people_world import (
    LIMITS,
    NAMESPACES,
    POLICIES,
    POLICY,
    QUOTA,
    RBAC,
    SHOP,
    WORKERS,
    World,
    people_world,
    pod,
)
from test_oidc import ask

from components.config.namespaces import COUNTED, ENFORCE, MEASURED
from components.config.scheduling import ALLOWED_TOLERATIONS, DEFAULT_TOLERATIONS, NODE_SELECTOR
from components.rights import VERBS, dangers
from tests.wait import becomes


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with people_world(tmp_path_factory) as made:
        yield made


def open_to_all(name: str) -> dict[str, Any]:
    """A NetworkPolicy that allows everything."""
    everything = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]}
    return {"metadata": {"name": name}, "spec": everything}


FORBIDDEN: dict[str, tuple[str, str, Any]] = {
    "raise the quota": ("PATCH", QUOTA, {"spec": {"hard": {"pods": "100"}}}),
    "write the status of the quota": ("PATCH", f"{QUOTA}/status", {"status": {"hard": {"pods": "100"}}}),
    "delete the quota": ("DELETE", QUOTA, None),
    "delete all quotas": ("DELETE", f"{SHOP}/resourcequotas", None),
    "make a quota": ("POST", f"{SHOP}/resourcequotas", {"metadata": {"name": "x"}, "spec": {"hard": {"pods": "1"}}}),
    "raise the limits": ("PATCH", LIMITS, {"spec": {"limits": []}}),
    "delete the limits": ("DELETE", LIMITS, None),
    "make limits": ("POST", f"{SHOP}/limitranges", {"metadata": {"name": "x"}, "spec": {"limits": []}}),
    "lower the level of Pod Security": ("PATCH", SHOP, {"metadata": {"labels": {ENFORCE: "privileged"}}}),
    "take the node selector away": ("PATCH", SHOP, {"metadata": {"annotations": {NODE_SELECTOR: None}}}),
    "tolerate each taint": ("PATCH", SHOP, {"metadata": {"annotations": {ALLOWED_TOLERATIONS: ""}}}),
    "take the level of Pod Security away": ("PATCH", SHOP, {"metadata": {"labels": {ENFORCE: None}}}),
    "write the status of the namespace": ("PATCH", f"{SHOP}/status", {"metadata": {"labels": {ENFORCE: None}}}),
    "delete the namespace": ("DELETE", SHOP, None),
    "open the network": ("PATCH", POLICY, {"spec": {"policyTypes": ["Ingress"]}}),
    "put a label on the network policy": ("PATCH", POLICY, {"metadata": {"labels": {"x": "y"}}}),
    "delete the network policy": ("DELETE", POLICY, None),
    "delete all network policies": ("DELETE", POLICIES, None),
    "make a network policy elsewhere": ("POST", POLICIES.replace("shop", "default"), open_to_all("x")),
    "make a namespace": ("POST", NAMESPACES, {"metadata": {"name": "own"}}),
    "read secrets elsewhere": ("GET", f"{NAMESPACES}/kube-system/secrets", None),
    "make pods elsewhere": ("POST", f"{NAMESPACES}/default/pods", pod("elsewhere")),
    "read nodes": ("GET", "/api/v1/nodes", None),
    "bind everybody": (
        "POST",
        f"{RBAC}/clusterrolebindings",
        {
            "metadata": {"name": "x"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        },
    ),
    "bind a role that may change the quota": (
        "POST",
        f"{SHOP.replace('/api/v1', RBAC)}/rolebindings",
        {
            "metadata": {"name": "x"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "oidc:leads"}],
        },
    ),
    "make a role that may change the quota": (
        "POST",
        f"{SHOP.replace('/api/v1', RBAC)}/roles",
        {
            "metadata": {"name": "x"},
            "rules": [{"apiGroups": [""], "resources": ["resourcequotas"], "verbs": ["update"]}],
        },
    ),
}


def test_the_objects_are_as_on_the_page(world: World) -> None:
    assert world.server.ask("GET", SHOP)["metadata"]["labels"][ENFORCE] == "restricted"
    annotations = world.server.ask("GET", SHOP)["metadata"]["annotations"]
    assert annotations[NODE_SELECTOR] == "pool=shop" and annotations[DEFAULT_TOLERATIONS]
    assert world.server.ask("GET", QUOTA)["spec"]["hard"] == {"pods": "2", "limits.cpu": "2"}
    (limits,) = world.server.ask("GET", LIMITS)["spec"]["limits"]
    assert limits["default"] == {"cpu": "500m", "memory": "64Mi"} and limits["max"] == {"cpu": "1"}


def test_an_isolated_namespace_allows_itself_and_dns(world: World) -> None:
    """As the API server keeps it: names of fields that Pulumi writes differently have arrived."""
    spec = world.server.ask("GET", POLICY)["spec"]
    dns = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    assert spec == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [{"podSelector": {}}]}],
        "egress": [
            {"to": [{"podSelector": {}}]},
            {"to": [dns], "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]},
        ],
    }


@pytest.mark.parametrize("who", WORKERS)
def test_people_allow_more_by_policies_of_their_own(world: World, who: str) -> None:
    """Network policies add up: no right of Kubernetes stands between `edit` and a policy that allows everything."""
    assert world.status(who, "POST", POLICIES, open_to_all("own")) == (200, "")
    assert world.status(who, "PATCH", f"{POLICIES}/own", {"spec": {"policyTypes": ["Ingress"]}}) == (200, "")
    assert world.status(who, "DELETE", f"{POLICIES}/own") == (200, "")


@pytest.mark.parametrize("who", ["namespace-controller", "generic-garbage-collector"])
def test_the_policy_of_the_page_goes_with_its_namespace(world: World, who: str) -> None:
    """Controllers and administrators may: otherwise nobody could delete the namespace."""
    user = {"Impersonate-User": f"system:serviceaccount:kube-system:{who}"}
    world.server.ask("DELETE", f"{POLICY}?dryRun=All", None, "application/json", user)
    assert world.server.ask("GET", POLICY)["metadata"].get("deletionTimestamp") is None


@pytest.mark.parametrize("who", WORKERS)
def test_people_work_in_their_namespace(world: World, who: str) -> None:
    path, name = f"{SHOP}/pods", who.replace(" ", "-")
    assert world.status(who, "POST", path, pod(name)) == (200, "")
    made = world.server.ask("GET", f"{path}/{name}")["spec"]["containers"][0]["resources"]["limits"]
    assert made == {"cpu": "500m", "memory": "64Mi"}
    assert world.status(who, "DELETE", f"{path}/{name}?gracePeriodSeconds=0") == (200, "")
    becomes(lambda: world.server.ask("GET", QUOTA)["status"]["used"]["pods"], "0", 60, "the quota is free")


@pytest.mark.parametrize("who", WORKERS)
def test_nobody_works_beyond_the_limits(world: World, who: str) -> None:
    path = f"{SHOP}/pods"
    status, why = world.status(who, "POST", path, pod("open", secure=False))
    assert status == 403 and 'violates PodSecurity "restricted' in why
    status, why = world.status(who, "POST", path, pod("large", cpu="1500m"))
    assert status == 403 and "maximum cpu usage per Container is 1" in why
    try:
        for number in range(2):
            assert world.status(who, "POST", path, pod(f"pod-{number}")) == (200, "")
        status, why = world.status(who, "POST", path, pod("one-more"))
        assert status == 403 and "exceeded quota: hardway" in why
    finally:
        for number in range(2):
            world.server.ask("DELETE", f"{path}/pod-{number}?gracePeriodSeconds=0")
        becomes(lambda: world.server.ask("GET", QUOTA)["status"]["used"]["pods"], "0", 60, "the quota is free")


@pytest.mark.parametrize("what", FORBIDDEN)
@pytest.mark.parametrize("who", WORKERS)
def test_nobody_changes_what_limits_the_namespace(world: World, who: str, what: str) -> None:
    status, why = world.status(who, *FORBIDDEN[what])
    assert status == 403, (who, what)
    assert "forbidden" in why or "attempting to grant" in why


def test_people_see_their_limits(world: World) -> None:
    for who in WORKERS:
        for path in (QUOTA, LIMITS, SHOP):
            assert world.status(who, "GET", path) == (200, ""), (who, path)


def test_an_admin_of_the_whole_cluster_changes_no_limits(world: World) -> None:
    """Also without a namespace on the line of the page. The policy `all-rights` names what such an admin can do."""
    assert world.status("boss", "POST", f"{SHOP}/pods?dryRun=All", pod("x"))[0] == 200
    status, why = world.status("boss", "DELETE", POLICY)
    assert status == 403 and "belongs to the page of the cluster" in why
    for what in ("raise the quota", "raise the limits", "lower the level of Pod Security", "delete the namespace"):
        assert world.status("boss", *FORBIDDEN[what])[0] == 403, what


def test_an_own_role_counts_where_it_is_given(world: World) -> None:
    def deployments(namespace: str) -> str:
        return f"/apis/apps/v1/namespaces/{namespace}/deployments"

    assert world.status("own role", "GET", deployments("shop"))[0] == 200
    assert world.status("own role", "GET", deployments("default"))[0] == 200
    assert world.status("user", "GET", deployments("shop"))[0] == 200
    assert world.status("user", "GET", deployments("default"))[0] == 403
    for who in ("own role", "user"):
        assert world.status(who, "GET", f"{SHOP}/pods")[0] == 403
        assert world.status(who, "DELETE", deployments("shop"))[0] == 403


def test_view_reads_and_a_stranger_reads_nothing(world: World) -> None:
    assert world.status("view", "GET", f"{NAMESPACES}/kube-system/pods")[0] == 200
    assert world.status("view", "GET", f"{SHOP}/secrets")[0] == 403
    assert world.status("view", "POST", f"{SHOP}/pods", pod("x"))[0] == 403
    assert world.status("stranger", "GET", f"{SHOP}/pods")[0] == 403


def test_why_the_page_refuses_cluster_admin_in_a_namespace(world: World) -> None:
    """A namespace is an object in itself, so this role may label it. It may change the quota, too."""
    world.server.ask("POST", NAMESPACES, {"metadata": {"name": "open"}})
    kind = {"apiGroup": "rbac.authorization.k8s.io"}
    binding = {
        "metadata": {"name": "x"},
        "roleRef": {**kind, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{**kind, "kind": "User", "name": "oidc:6"}],
    }
    world.server.ask("POST", f"{RBAC}/namespaces/open/rolebindings", binding)
    path = f"{NAMESPACES}/open"
    becomes(lambda: world.status("stranger", "GET", path)[0], 200, 60, "the binding counts")
    assert world.status("stranger", "PATCH", path, {"metadata": {"labels": {ENFORCE: "privileged"}}})[0] == 200
    world.server.ask("DELETE", f"{RBAC}/namespaces/open/rolebindings/x")


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "watch"])
def test_why_almost_every_verb_for_secrets_leads_to_all_rights(world: World, verb: str) -> None:
    """A patch answers with the Secret, and deletecollection with all Secrets, also if it deletes nothing."""
    path, group = f"{NAMESPACES}/kube-system/secrets", {"apiGroup": "rbac.authorization.k8s.io"}
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": [verb]}
    world.server.ask("POST", path, {"metadata": {"name": "read-me"}, "stringData": {"key": "value"}})
    world.server.ask("POST", f"{RBAC}/clusterroles", {"metadata": {"name": "tried"}, "rules": [rule]})
    binding = {
        "metadata": {"name": "tried"},
        "roleRef": {**group, "kind": "ClusterRole", "name": "tried"},
        "subjects": [{**group, "kind": "User", "name": "oidc:6"}],
    }
    world.server.ask("POST", f"{RBAC}/clusterrolebindings", binding)
    new = {"metadata": {"name": "new"}, "type": "bootstrap.kubernetes.io/token"}
    requests: dict[str, tuple[str, str, Any]] = {
        "get": ("GET", f"{path}/read-me", None),
        "list": ("GET", path, None),
        "create": ("POST", f"{path}?dryRun=All", new),
        "update": ("PUT", f"{path}/read-me?dryRun=All", {"metadata": {"name": "read-me"}, "stringData": {"key": "x"}}),
        "patch": ("PATCH", f"{path}/read-me?dryRun=All", {}),
        "delete": ("DELETE", f"{path}/read-me?dryRun=All", None),
        "deletecollection": ("DELETE", f"{path}?dryRun=All", None),
    }
    try:
        becomes(lambda: world.status("stranger", *requests[verb])[0], 200, 60, f"the right to {verb} counts")
        method, where, body = requests[verb]
        kind = MERGE if method == "PATCH" else "application/json"
        answer = str(world.server.ask(method, where, body, kind, {"Impersonate-User": "oidc:6"}))
    finally:
        world.server.ask("DELETE", f"{RBAC}/clusterrolebindings/tried")
        world.server.ask("DELETE", f"{RBAC}/clusterroles/tried")
        world.server.ask("DELETE", f"{path}/read-me")
    assert (base64.b64encode(b"value").decode() in answer) == (verb not in ("create", "update", "delete"))
    assert bool([*dangers([rule], whole_cluster=True)]) == (verb != "delete")


@pytest.mark.parametrize("name", [*COUNTED, *MEASURED, "count/deployments.apps", "requests.example.com/gpu"])
def test_an_api_server_accepts_each_resource_of_a_quota(world: World, name: str) -> None:
    quota = {"metadata": {"name": "tried"}, "spec": {"hard": {name: "1"}}}
    world.server.ask("POST", f"{NAMESPACES}/default/resourcequotas?dryRun=All", quota)


@pytest.mark.parametrize(
    ("kind", "spec", "problem"),
    [
        ("resourcequotas", {"hard": {"pod": "1"}}, "must be a standard resource"),
        ("resourcequotas", {"hard": {"pods": "1.5"}}, "must be an integer"),
        ("resourcequotas", {"hard": {"memory": "10GB"}}, "quantities must match"),
        ("limitranges", {"default": {"cpu": "2"}, "max": {"cpu": "1"}}, "is greater than max value"),
        ("limitranges", {"defaultRequest": {"cpu": "2"}, "default": {"cpu": "1"}}, "greater than default limit value"),
        ("limitranges", {"min": {"cpu": "2"}, "max": {"cpu": "1"}}, "is greater than max value"),
    ],
)
def test_an_api_server_refuses_what_the_page_refuses(world: World, kind: str, spec: Any, problem: str) -> None:
    if kind == "limitranges":
        spec = {"limits": [{"type": "Container", **spec}]}
    with pytest.raises(urllib.error.HTTPError) as caught:
        world.server.ask("POST", f"{NAMESPACES}/default/{kind}?dryRun=All", {"metadata": {"name": "x"}, "spec": spec})
    assert problem in json.loads(caught.value.read())["message"]


def test_a_colleague_logs_in_and_works_in_the_namespace_of_the_team(world: World) -> None:
    """With tokens of an issuer: a group, a single user, and somebody without a line on the page."""

    def get(path: str, **claims: Any) -> int:
        return ask(world.server, path, world.issuer.token(**claims)).status

    team, alone = {"sub": "17", "groups": ["shop"]}, {"sub": "4f1c"}
    becomes(lambda: get(f"{SHOP}/pods", **team), 200, 60, "the API server knows the issuer")
    assert get(f"{NAMESPACES}/kube-system/pods", **team) == get(QUOTA.replace("shop", "default"), **team) == 403
    assert get("/apis/apps/v1/namespaces/shop/deployments", **alone) == 200
    assert get(f"{SHOP}/pods", **alone) == get(f"{SHOP}/pods", sub="18", groups=["others"]) == 403
    # The name of a developer is for certificates only: a token has the prefix of its issuer.
    assert get(f"{SHOP}/pods", sub="alice") == 403
