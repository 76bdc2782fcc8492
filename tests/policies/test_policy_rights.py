"""The rule about bindings that lead to all rights in the cluster."""

from typing import Any

import pytest
from policy_requests import UNKNOWN, asked, made

from components.addons.bindings import CLUSTER_BINDINGS

RULE = "all-rights"
BINDING = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding"


def binding(role: Any = "cluster-admin", *names: Any, kind: str = "Group") -> dict[str, Any]:
    """A request for a binding of a role to subjects."""
    return {
        "metadata": {"name": "bound"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": kind, "name": name} for name in names],
    }


def found(properties: dict[str, Any], type_: str = BINDING, **settings: Any) -> list[str]:
    """The messages of the rule."""
    return asked(made(type_, "bound", properties), **settings).get(RULE, [])


@pytest.mark.parametrize("role", ["cluster-admin", "admin", "edit"])
def test_a_group_with_all_rights_is_told(role: str) -> None:
    (message,) = found(binding(role, "oidc:platform"))
    assert message.startswith(f"bound: gives the role {role} in the whole cluster to Group oidc:platform. ")


def test_each_subject_is_told() -> None:
    assert len(found(binding("cluster-admin", "hardway:cluster-admins", "oidc:platform", "oidc:others"))) == 2
    assert "to User bob. " in found(binding("cluster-admin", "bob", kind="User"))[0]


def test_less_is_not_told() -> None:
    assert not found(binding("view", "oidc:platform"))
    assert not found(binding("cluster-admin", "hardway:cluster-admins"))
    # In a namespace the role ends at the namespace.
    role_binding = "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding"
    assert not found(binding("cluster-admin", "oidc:platform"), role_binding)
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
def test_what_is_not_known_yet_is_not_judged(properties: dict[str, Any]) -> None:
    assert not found(properties)


def test_the_project_gives_all_rights_to_its_administrators_alone() -> None:
    given = {name: binding(role, subject, kind=kind) for name, (role, kind, subject) in CLUSTER_BINDINGS.items()}
    assert given["hardway-cluster-admins"]["roleRef"]["name"] == "cluster-admin"
    assert {name: found(one) for name, one in given.items() if found(one)} == {}
