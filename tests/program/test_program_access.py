"""The program with issuers and groups on the page: objects of their roles, and the kubeconfig for people."""

import json
from functools import cache
from typing import Any

from clusters import cluster, lock_data
from recording import Recording, leaves, page, recorded, run

RBAC = "kubernetes:rbac.authorization.k8s.io/v1:"
NAMESPACE = "kubernetes:core/v1:Namespace"
NAMES = {"claim": "sub", "prefix": "oidc:"}
ISSUER = {
    "url": "https://login.example.com/realms/staff",
    "audiences": ["kubernetes"],
    "claimMappings": {"username": NAMES, "groups": NAMES | {"claim": "groups"}},
    "scopes": ["groups"],
}
GROUPS = [
    {"name": "oidc:platform", "role": "cluster-admin"},
    {"name": "oidc:shop", "role": "edit", "namespaces": ["shop", "development"]},
]


@cache
def with_access() -> Recording:
    """The program with one issuer and two groups."""
    values = page("stacked", {"access.oidc": [ISSUER], "access.groups": GROUPS})
    found = run(values, lock=lock_data(cluster("stacked").page))
    assert found.error is None
    return found


def own(kind: str) -> list[Any]:
    """The bindings of one kind that are made because of `access.groups`."""
    return [one for one in with_access().of(RBAC + kind) if one.name.startswith("hardway-group-")]


def test_a_group_without_namespaces_has_its_role_in_the_cluster() -> None:
    (binding,) = own("ClusterRoleBinding")
    assert binding.inputs["roleRef"]["name"] == "cluster-admin"
    assert [(one["kind"], one["name"]) for one in binding.inputs["subjects"]] == [("Group", "oidc:platform")]
    assert binding.inputs["metadata"]["name"] == binding.name


def test_a_group_has_its_role_in_each_of_its_namespaces() -> None:
    bindings = own("RoleBinding")
    assert {one.inputs["metadata"]["namespace"] for one in bindings} == {"shop", "development"}
    assert len(bindings) == 2
    assert {one.inputs["roleRef"]["name"] for one in bindings} == {"edit"}
    for one in bindings:
        namespace = with_access().named(NAMESPACE, f"namespace-{one.inputs['metadata']['namespace']}")
        assert with_access().comes_after(one, namespace)


def test_no_line_of_the_page_deletes_a_namespace_of_a_group() -> None:
    retained = {one.name: one.retained for one in with_access().of(NAMESPACE)}
    assert retained["namespace-shop"]
    # Also for a developer: others may work there now.
    assert retained["namespace-development"]
    assert not recorded("stacked").named(NAMESPACE, "namespace-development").retained


def test_objects_of_groups_go_with_the_control_plane_and_have_the_owner() -> None:
    (control_plane,) = with_access().of("hardway:controlplane:ControlPlane")
    for one in (*own("ClusterRoleBinding"), *own("RoleBinding")):
        assert one.deleted_with == control_plane.urn
        assert one.inputs["metadata"]["annotations"]["pulumi.com/patchFieldManager"] == "hardway"


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
