"""The rules about roles and bindings that lead to all rights in the cluster."""

from typing import Any

import pytest
from policy_requests import UNKNOWN, asked, asked_stack, made

from components.addons.bindings import cluster_bindings

RULE = "all-rights"
RBAC = "kubernetes:rbac.authorization.k8s.io/v1:"
BINDING, IN_NAMESPACE, ROLE = f"{RBAC}ClusterRoleBinding", f"{RBAC}RoleBinding", f"{RBAC}ClusterRole"


def binding(role: Any = "cluster-admin", *names: Any, kind: str = "Group") -> dict[str, Any]:
    """A request for a binding of a role to subjects."""
    return {
        "metadata": {"name": "bound"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": kind, "name": name} for name in names],
    }


def found(properties: dict[str, Any], type_: str = BINDING, **settings: Any) -> list[str]:
    """The messages of the rule about a resource."""
    return asked(made(type_, "bound", properties), **settings).get(RULE, [])


def role(*rules: Any, name: str = "own", type_: str = ROLE) -> dict[str, Any]:
    """A role with these rules, in a stack."""
    return made(type_, name, {"metadata": {"name": name}, "rules": list(rules)})


def rule(groups: Any, resources: Any, verbs: Any) -> dict[str, Any]:
    """A rule of a role."""
    return {"apiGroups": groups, "resources": resources, "verbs": verbs}


def of_stack(*resources: dict[str, Any], **settings: Any) -> list[str]:
    """The messages of the rule about all resources together."""
    return asked_stack(resources, **settings).get("rights-of-roles", [])


@pytest.mark.parametrize("name", ["cluster-admin", "admin", "edit"])
def test_a_group_with_all_rights_is_told(name: str) -> None:
    (message,) = found(binding(name, "oidc:platform"))
    assert message.startswith(f"bound: gives the role {name} in the whole cluster to Group oidc:platform. ")


def test_each_subject_is_told() -> None:
    assert len(found(binding("cluster-admin", "hardway:cluster-admins", "oidc:platform", "oidc:others"))) == 2
    assert "to User bob. " in found(binding("cluster-admin", "bob", kind="User"))[0]


def test_less_is_not_told() -> None:
    assert not found(binding("view", "oidc:platform"))
    assert not found(binding("cluster-admin", "hardway:cluster-admins"))
    # In a namespace the role ends at the namespace.
    assert not found(binding("admin", "oidc:platform"), IN_NAMESPACE)
    assert not found(binding("cluster-admin", "oidc:platform"), all_rights={"subjects": ["oidc:platform"]})


@pytest.mark.parametrize(
    "properties",
    [
        binding(UNKNOWN, "oidc:platform"),
        binding("cluster-admin", UNKNOWN),
        {"roleRef": UNKNOWN, "subjects": UNKNOWN},
        binding() | {"subjects": UNKNOWN},
        {},
    ],
)
def test_what_cannot_be_read_is_told(properties: dict[str, Any]) -> None:
    (message,) = found(properties)
    assert "what it gives cannot be read" in message


@pytest.mark.parametrize(
    ("one", "danger"),
    [
        (rule(["*"], ["pods"], ["get"]), "the wildcard '*' in apiGroups"),
        (rule([""], ["*"], ["get"]), "the wildcard '*' in resources"),
        (rule(["apps"], ["*/scale"], ["get"]), "the wildcard '*/scale' in resources"),
        (rule([""], ["pods"], ["*"]), "the wildcard '*' in verbs"),
        (rule(["rbac.authorization.k8s.io"], ["roles"], ["escalate"]), "the verb 'escalate'"),
        (rule(["rbac.authorization.k8s.io"], ["clusterroles"], ["bind"]), "the verb 'bind'"),
        (rule([""], ["users"], ["impersonate"]), "the verb 'impersonate'"),
        (rule([""], ["resourcequotas"], ["patch"]), "patch resourcequotas"),
        (rule(UNKNOWN, ["pods"], ["get"]), "the wildcard '*' in apiGroups"),
        ({"nonResourceURLs": ["*"], "verbs": ["get"]}, "the wildcard '*' in nonResourceURLs"),
        (UNKNOWN, "a rule that cannot be read"),
    ],
)
@pytest.mark.parametrize("type_", [f"{RBAC}ClusterRole", f"{RBAC}Role"])
def test_a_role_that_takes_more_rights_is_told(type_: str, one: Any, danger: str) -> None:
    (message,) = asked(role(one, type_=type_))[RULE]
    assert message.startswith(f"own: allows {danger}, ")


def test_an_ordinary_role_is_not_told() -> None:
    own = role(rule(["apps"], ["deployments"], ["get", "patch"]), rule([""], ["secrets"], ["get"]))
    assert RULE not in asked(own)
    assert "what cannot be read" in asked(made(ROLE, "own", {"rules": UNKNOWN}))[RULE][0]


def test_all_rights_in_a_namespace_are_told() -> None:
    """This role may change what limits the namespace: tests/integration/test_people.py."""
    (message,) = found(binding("cluster-admin", "oidc:platform"), IN_NAMESPACE)
    assert "may change the quota" in message
    for properties in ({}, binding(UNKNOWN, "oidc:platform")):
        assert "cannot be read" in found(properties, IN_NAMESPACE)[0]


def test_a_privileged_namespace_is_told() -> None:
    def namespace(name: str, level: str) -> list[str]:
        metadata = {"name": name, "labels": {"pod-security.kubernetes.io/enforce": level}}
        return found({"metadata": metadata}, "kubernetes:core/v1:Namespace")

    assert "root on nodes" in namespace("shop", "privileged")[0]
    assert not namespace("shop", "restricted")
    assert not namespace("kube-flannel", "privileged")


@pytest.mark.parametrize(
    ("one", "danger"),
    [
        (rule([""], ["secrets"], ["get"]), "get secrets"),
        (rule([""], ["secrets"], ["patch"]), "patch secrets"),
        (rule(["apps"], ["deployments"], ["create"]), "create deployments"),
        (rule([""], ["nodes/proxy"], ["get"]), "get nodes/proxy"),
        (rule([""], ["serviceaccounts/token"], ["create"]), "create serviceaccounts/token"),
        (rule(["certificates.k8s.io"], ["certificatesigningrequests/approval"], ["update"]), "update certificates"),
        (rule(["admissionregistration.k8s.io"], ["mutatingwebhookconfigurations"], ["patch"]), "patch mutating"),
        (rule([""], ["namespaces"], ["patch"]), "patch namespaces"),
        (rule(["*"], ["*"], ["*"]), "the wildcard"),
    ],
)
def test_an_own_role_in_the_whole_cluster_is_judged_by_its_rules(one: Any, danger: str) -> None:
    messages = of_stack(role(one), made(BINDING, "bound", binding("own", "oidc:shop")))
    assert messages and "bound: gives the role own in the whole cluster, and the role allows" in messages[0]
    assert danger in messages[0]
    assert not of_stack(role(one), made(BINDING, "bound", binding("own", "hardway:cluster-admins")))


def test_a_namespace_bounds_a_role_but_not_what_takes_more_rights() -> None:
    bound = made(IN_NAMESPACE, "bound", binding("own", "oidc:shop"))
    assert not of_stack(role(rule([""], ["secrets"], ["get"])), bound)
    assert of_stack(role(rule([""], ["secrets"], ["*"])), bound)


def test_a_role_that_is_not_in_the_plan_is_told() -> None:
    for type_ in (BINDING, IN_NAMESPACE):
        (message,) = of_stack(made(type_, "bound", binding("made-by-a-chart", "oidc:shop")))
        assert "the plan does not show what the role allows" in message
        (of_kubernetes,) = of_stack(made(type_, "bound", binding("system:kubelet-api-admin", "oidc:shop")))
        assert "kubectl describe clusterrole system:kubelet-api-admin" in of_kubernetes
        assert not of_stack(made(type_, "bound", binding("view", "oidc:shop")))
    # What new nodes need lets anybody else become a node.
    for name in ("system:node-bootstrapper", "system:certificates.k8s.io:certificatesigningrequests:nodeclient"):
        assert not of_stack(made(BINDING, "bound", binding(name, "system:bootstrappers")))
        assert len(of_stack(made(BINDING, "bound", binding(name, "oidc:shop")))) == 1
        assert len(of_stack(made(BINDING, "bound", binding(name, "system:nodes")))) == 1


def test_what_the_engine_does_not_show_is_told_once() -> None:
    """As in the first preview of a stack."""
    bindings = [made(BINDING, name, {}) for name in ("b", "a")]
    assert of_stack(role(), *bindings) == [
        "nobody can judge the roles of a, b yet: what they give cannot be read before `up`."
    ]


def test_programs_are_no_people() -> None:
    account = {"kind": "ServiceAccount", "name": "flannel", "namespace": "kube-flannel"}
    assert not of_stack(made(BINDING, "bound", binding("flannel") | {"subjects": [account]}))


def test_the_project_gives_all_rights_to_its_administrators_alone() -> None:
    given = {one.name: binding(one.role, one.subject, kind=one.kind) for one in cluster_bindings()}
    assert given["hardway-cluster-admins"]["roleRef"]["name"] == "cluster-admin"
    assert {name: found(one) for name, one in given.items() if found(one)} == {}
    assert of_stack(*(made(BINDING, name, one) for name, one in given.items())) == []
