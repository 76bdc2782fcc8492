"""The part of the preview report about people: rights, roles, and limits of namespaces."""

from typing import Any

from tools.report.read import HIDDEN, UNKNOWN, Preview, Step
from tools.report.rights import rights_sections

PREFIX = "urn:pulumi:s::hardway::hardway:addons:Rbac$"
RBAC, CORE = "kubernetes:rbac.authorization.k8s.io/v1:", "kubernetes:core/v1:"


def binding(subject: Any, role: Any, namespace: Any = "", name: str = "bound", kind: str = "Group") -> dict[str, Any]:
    """The inputs of a binding."""
    return {
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "roleRef": {"kind": "ClusterRole", "name": role},
        "subjects": [{"kind": kind, "name": subject}],
    }


def step(kind: str, operation: str, old: Any = None, new: Any = None, name: str = "x", retained: bool = False) -> Step:
    """A step about one object."""
    package = CORE if kind in ("Namespace", "ResourceQuota", "LimitRange") else RBAC
    return Step(operation, f"{PREFIX}{package}{kind}::{name}", old or {}, {}, new or {}, retained=retained)


def shown(*steps: Step) -> dict[str, list[str]]:
    """The rows of each section, by its title."""
    return {section.title: list(section.items) for section in rights_sections(Preview("s", steps))}


def test_who_gets_and_who_loses() -> None:
    rows = shown(
        step("RoleBinding", "create", new=binding("oidc:shop", "edit", "shop")),
        step("ClusterRoleBinding", "delete", old=binding("oidc:4f1c", "view", kind="User")),
    )["Who may do what"]
    assert rows == [
        "| `group oidc:shop` | gets | `edit` | namespace `shop` |",
        "| `user oidc:4f1c` | **loses** | `view` | **whole cluster** |",
    ]


def test_another_role_is_both() -> None:
    """The program makes another binding then."""
    rows = shown(
        step("RoleBinding", "delete", old=binding("oidc:shop", "view", "shop")),
        step("RoleBinding", "create", new=binding("oidc:shop", "edit", "shop")),
    )["Who may do what"]
    assert [row.split(" | ")[1:3] for row in rows] == [["gets", "`edit`"], ["**loses**", "`view`"]]


def test_a_right_by_another_binding_is_no_change() -> None:
    same = binding("oidc:shop", "edit", "shop")
    assert shown(step("RoleBinding", "delete", old=same), step("RoleBinding", "create", new=same, name="y")) == {}
    assert shown(step("RoleBinding", "update", old=same, new=same)) == {}


def test_a_namespace_that_is_not_known_yet_stays_the_same() -> None:
    """As if the credentials for the API are new."""
    old = binding("oidc:shop", "edit", "shop")
    assert shown(step("RoleBinding", "update", old=old, new=binding("oidc:shop", "edit", UNKNOWN))) == {}


def test_components_and_programs_are_no_people() -> None:
    component = binding("system:nodes", "any", name="hardway-approve-renewal-csr")
    program = binding("flannel", "flannel", kind="ServiceAccount")
    for one in (component, program):
        assert shown(step("ClusterRoleBinding", "create", new=one)) == {}


def test_what_a_plan_does_not_show_is_told() -> None:
    unknown = {"metadata": {"name": "bound"}, "roleRef": UNKNOWN, "subjects": UNKNOWN}
    (row,) = shown(step("ClusterRoleBinding", "create", new=unknown))["Who may do what"]
    assert row == "| `(cannot be read)` | gets | `(cannot be read)` | **whole cluster** |"
    (row,) = shown(step("RoleBinding", "create", new=binding(HIDDEN, "edit", "shop")))["Who may do what"]
    assert HIDDEN not in row and "(cannot be read)" in row


def test_own_roles() -> None:
    def role(*verbs: str) -> dict[str, Any]:
        return {"rules": [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": list(verbs)}]}

    changed = step("ClusterRole", "update", old=role("get"), new=role("get", "patch"), name="hardway-role-deployers")
    other = step("ClusterRole", "create", new=role("get"), name="hardway-maintenance")
    assert shown(changed, other) == {
        "Roles of the page": ["| `deployers` | `get deployments in apps` | `get,patch deployments in apps` |"]
    }


def test_what_binds_pods_to_nodes_is_a_limit() -> None:
    """Other annotations are not shown."""
    selector, allowed = (
        "scheduler.alpha.kubernetes.io/node-selector",
        "scheduler.alpha.kubernetes.io/tolerationsWhitelist",
    )
    before = {"metadata": {"name": "shop", "annotations": {selector: "pool=a", "example.com/x": "1"}}}
    after = {"metadata": {"name": "shop", "annotations": {selector: "pool=b", allowed: "[]"}}}
    assert shown(step("Namespace", "update", old=before, new=after))["Limits of namespaces"] == [
        "| `shop` | `allowed tolerations` | none | `[]` |",
        "| `shop` | `node selector` | `pool=a` | `pool=b` |",
    ]


def test_limits_of_namespaces() -> None:
    label = "pod-security.kubernetes.io/enforce"
    inside = {"name": "hardway", "namespace": "shop"}
    rows = shown(
        step(
            "Namespace",
            "update",
            old={"metadata": {"name": "shop", "labels": {label: "restricted"}}},
            new={"metadata": {"name": "shop", "labels": {label: "baseline"}}},
        ),
        step("ResourceQuota", "create", new={"metadata": inside, "spec": {"hard": {"pods": "5"}}}),
        step(
            "LimitRange",
            "delete",
            old={"metadata": inside, "spec": {"limits": [{"type": "Container", "max": {"cpu": "1"}}]}},
        ),
    )["Limits of namespaces"]
    assert rows == [
        "| `shop` | `Pod Security` | `restricted` | `baseline` |",
        "| `shop` | `each container: max cpu` | `1` | none |",
        "| `shop` | `quota pods` | none | `5` |",
    ]


def test_namespaces_of_the_cluster_and_quotas_of_others_are_left_out() -> None:
    label = {"pod-security.kubernetes.io/enforce": "privileged"}
    flannel = step("Namespace", "create", new={"metadata": {"name": "kube-flannel", "labels": label}})
    other = step(
        "ResourceQuota", "create", new={"metadata": {"name": "x", "namespace": "shop"}, "spec": {"hard": {"pods": "1"}}}
    )
    assert shown(flannel, other) == {}


def test_a_namespace_that_stays_keeps_its_level() -> None:
    metadata = {"name": "shop", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}
    assert shown(step("Namespace", "delete", old={"metadata": metadata}, retained=True)) == {}
