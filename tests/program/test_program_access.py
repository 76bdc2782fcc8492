"""The program with people on the page: namespaces and their limits, roles, and the kubeconfig for people."""

import json
from functools import cache

import pytest
from clusters import NAMES, cluster, lock_data
from policy_requests import asked, asked_stack, made
from recording import Recording, Resource, leaves, page, recorded, run

RBAC = "kubernetes:rbac.authorization.k8s.io/v1:"
NAMESPACE = "kubernetes:core/v1:Namespace"
PREFIXED = {"claim": "sub", "prefix": "oidc:"}
ISSUER = {
    "url": "https://login.example.com/realms/staff",
    "audiences": ["kubernetes"],
    "claimMappings": {"username": PREFIXED, "groups": PREFIXED | {"claim": "groups"}},
    "scopes": ["groups"],
}
GROUPS = [
    {"name": "oidc:platform", "role": "cluster-admin"},
    {"name": "oidc:shop", "role": "edit", "namespaces": ["shop", "development"]},
    {"name": "oidc:release", "role": "deployers", "namespaces": ["shop"]},
    {"name": "oidc:charts", "role": "made-by-a-chart"},
]
USERS = [{"name": "oidc:4f1c", "role": "view"}, {"name": "developer", "role": "view", "namespaces": ["shop"]}]
ROLES = [
    {"name": "deployers", "rules": [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"]}]},
    {"name": "made-by-a-chart"},
]
NAMESPACES = [
    {
        "name": "shop",
        "quota": {"pods": 50, "limits.memory": "8Gi"},
        "limits": {"default": {"memory": "256Mi"}, "defaultRequest": {"cpu": "100m"}, "max": {"cpu": 2}},
    },
    {"name": "batch", "podSecurity": "baseline"},
]


@cache
def with_access() -> Recording:
    """The program with one issuer, and groups and users with each kind of role."""
    values = page(
        "stacked",
        {
            "access.oidc": [ISSUER],
            "access.groups": GROUPS,
            "access.users": USERS,
            "access.roles": ROLES,
            "access.namespaces": NAMESPACES,
        },
    )
    found = run(values, lock=lock_data(cluster("stacked").page))
    assert found.error is None
    return found


def own(kind: str, name: str) -> list[Resource]:
    """The bindings of one kind to a group or user."""
    return [one for one in with_access().of(RBAC + kind) if one.inputs["subjects"][0]["name"] == name]


def limiting(namespace: str) -> list[Resource]:
    """A namespace, and what limits the people in it."""
    made = [r for kind in ("ResourceQuota", "LimitRange") for r in with_access().of(f"kubernetes:core/v1:{kind}")]
    inside = [one for one in made if one.inputs["metadata"]["namespace"] == namespace]
    return [with_access().named(NAMESPACE, f"namespace-{namespace}"), *inside]


def test_a_group_without_namespaces_has_its_role_in_the_cluster() -> None:
    (binding,) = own("ClusterRoleBinding", "oidc:platform")
    assert binding.inputs["roleRef"]["name"] == "cluster-admin"
    assert [(one["kind"], one["name"]) for one in binding.inputs["subjects"]] == [("Group", "oidc:platform")]
    assert binding.inputs["metadata"]["name"] == binding.name
    # In every namespace: so it comes after all limits.
    for namespace in ("shop", "batch", "development"):
        assert all(with_access().comes_after(binding, one) for one in limiting(namespace))


def test_a_group_has_its_role_in_each_of_its_namespaces() -> None:
    bindings = own("RoleBinding", "oidc:shop")
    assert {one.inputs["metadata"]["namespace"] for one in bindings} == {"shop", "development"}
    assert len(bindings) == 2
    assert {one.inputs["roleRef"]["name"] for one in bindings} == {"edit"}
    # A group that has been on the page of an earlier version keeps its binding.
    assert {one.inputs["metadata"]["name"] for one in bindings} == {"hardway-group-oidc-shop-edit-3c645611"}


def test_users_get_roles_as_groups_do() -> None:
    (everywhere,) = own("ClusterRoleBinding", "oidc:4f1c")
    (inside,) = own("RoleBinding", "developer")
    assert everywhere.inputs["subjects"][0]["kind"] == inside.inputs["subjects"][0]["kind"] == "User"
    assert inside.inputs["metadata"]["namespace"] == "shop"
    assert everywhere.name.startswith("hardway-user-oidc-4f1c-view-")


def test_an_own_role_is_made_before_it_is_given() -> None:
    role = with_access().named(f"{RBAC}ClusterRole", "hardway-role-deployers")
    assert role.inputs["rules"] == [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"]}]
    (binding,) = own("RoleBinding", "oidc:release")
    assert binding.inputs["roleRef"]["name"] == role.inputs["metadata"]["name"] == "hardway-role-deployers"
    assert with_access().comes_after(binding, role)
    # A role of others is named, and not made.
    (of_others,) = own("ClusterRoleBinding", "oidc:charts")
    assert of_others.inputs["roleRef"]["name"] == "made-by-a-chart"
    assert "made-by-a-chart" not in {one.inputs["metadata"]["name"] for one in with_access().of(f"{RBAC}ClusterRole")}


def test_a_namespace_has_its_limits_before_anybody_has_rights_there() -> None:
    namespace, quota, limits = limiting("shop")
    assert namespace.inputs["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert quota.inputs["spec"]["hard"] == {"pods": "50", "limits.memory": "8Gi"}
    assert limits.inputs["spec"]["limits"] == [
        {
            "type": "Container",
            "default": {"memory": "256Mi"},
            "defaultRequest": {"cpu": "100m"},
            "max": {"cpu": "2"},
        }
    ]
    people = [one for one in with_access().of(f"{RBAC}RoleBinding") if one.inputs["metadata"]["namespace"] == "shop"]
    assert len(people) == 3
    for binding in people:
        for one in (namespace, quota, limits):
            assert with_access().comes_after(binding, one), (binding.name, one.name)


def test_a_namespace_has_only_what_the_page_says() -> None:
    (batch,) = limiting("batch")
    assert batch.inputs["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "baseline"
    # Without a line of its own, a namespace has the level of the API servers.
    (development,) = limiting("development")
    assert development.inputs["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "hardway"}


def test_an_open_namespace_has_no_network_policy() -> None:
    assert not [one for one in with_access().resources if one.type.endswith("NetworkPolicy")]


def test_no_line_of_the_page_deletes_a_namespace() -> None:
    made = [*with_access().of(NAMESPACE), *recorded("stacked").of(NAMESPACE)]
    people = [one for one in made if one.name.startswith("namespace-")]
    assert {one.name for one in people} == {"namespace-shop", "namespace-batch", "namespace-development"}
    assert all(one.retained for one in people)


def test_objects_of_people_go_with_the_control_plane_and_have_the_owner() -> None:
    (control_plane,) = with_access().of("hardway:controlplane:ControlPlane")
    for one in (*own("ClusterRoleBinding", "oidc:platform"), *own("RoleBinding", "oidc:shop"), *limiting("shop")):
        assert one.deleted_with == control_plane.urn
        assert one.inputs["metadata"]["annotations"]["pulumi.com/patchFieldManager"] == "hardway"


@pytest.mark.parametrize("name", NAMES)
def test_the_policies_find_no_role_to_judge_in_an_ordinary_cluster(name: str) -> None:
    """So what they say about rights is about people, and not about flannel, CoreDNS and the program itself."""
    objects = [made(one.type, one.name, one.inputs) for kind in (RBAC, NAMESPACE) for one in recorded(name).of(kind)]
    assert len(objects) >= 10
    assert [found for one in objects if (found := asked(one).get("all-rights"))] == []
    assert "rights-of-roles" not in asked_stack(objects)


def test_the_policies_judge_what_the_page_adds() -> None:
    objects = [made(one.type, one.name, one.inputs) for one in with_access().of(RBAC)]
    told = [text for one in objects for text in asked(one).get("all-rights", [])]
    assert len(told) == 1 and "to Group oidc:platform" in told[0]
    (unseen,) = asked_stack(objects)["rights-of-roles"]
    assert "the role made-by-a-chart in the whole cluster, and the plan does not show" in unseen


def test_people_get_a_kubeconfig_without_a_secret() -> None:
    (leaf,) = leaves(with_access().outputs["loginKubeconfig"])
    assert not leaf.secret
    found, admin = json.loads(leaf.value), json.loads(next(leaves(with_access().outputs["kubeconfig"])).value)
    assert found["clusters"] == admin["clusters"]
    (user,) = found["users"]
    assert user["name"] == "login.example.com"
    assert user["user"].keys() == {"exec"}
    assert "--oidc-issuer-url=https://login.example.com/realms/staff" in user["user"]["exec"]["args"]


def test_two_issuers_of_one_host_are_two_users() -> None:
    other = ISSUER | {
        "url": "https://login.example.com/realms/partner",
        "claimMappings": {"username": {"claim": "sub", "prefix": "partner:"}},
    }
    found = run(page("stacked", {"access.oidc": [ISSUER, other]}), lock=lock_data(cluster("stacked").page))
    users = json.loads(next(leaves(found.outputs["loginKubeconfig"])).value)["users"]
    assert [user["name"] for user in users] == ["login.example.com/realms/staff", "login.example.com/realms/partner"]
