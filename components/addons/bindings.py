"""Which bindings of RBAC follow from the page: a pure list, for the program and for `make access`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from components.config.access import Access
from components.config.roles import Grant, OwnRole
from components.pki.leaves import ADMIN_GROUP, MAINTENANCE, developer_group

RBAC_GROUP = "rbac.authorization.k8s.io"
SubjectKind = Literal["User", "Group"]
_LONGEST = 60


@dataclass(frozen=True)
class Binding:
    """A RoleBinding, or a ClusterRoleBinding if `namespace` is empty, of one ClusterRole to one subject.

    `resource` is the name of the Pulumi resource.
    """

    resource: str
    name: str
    role: str
    kind: SubjectKind
    subject: str
    namespace: str = ""

    def role_ref(self) -> dict[str, str]:
        """The role as in the object."""
        return {"api_group": RBAC_GROUP, "kind": "ClusterRole", "name": self.role}

    def subjects(self) -> list[dict[str, str]]:
        """The subject as in the object."""
        return [{"api_group": RBAC_GROUP, "kind": self.kind, "name": self.subject}]


CLUSTER_BINDINGS: dict[str, tuple[str, SubjectKind, str]] = {
    # The API server has its own client certificate for requests to kubelets (logs, exec).
    "hardway-apiserver-kubelet": ("system:kubelet-api-admin", "User", "kube-apiserver-kubelet-client"),
    "hardway-cluster-admins": ("cluster-admin", "Group", ADMIN_GROUP),
    # https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/
    "hardway-node-bootstrapper": ("system:node-bootstrapper", "Group", "system:bootstrappers"),
    "hardway-approve-bootstrap-csr": (
        "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        "Group",
        "system:bootstrappers",
    ),
    "hardway-approve-renewal-csr": (
        "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        "Group",
        "system:nodes",
    ),
}
"""Binding -> (cluster role, kind of subject, subject)."""

MAINTENANCE_NAME = "hardway-maintenance"
"""The ClusterRole and the ClusterRoleBinding of the user that removes nodes."""


OF_COMPONENTS = frozenset((*CLUSTER_BINDINGS, MAINTENANCE_NAME)) - {"hardway-cluster-admins"}
"""Bindings whose subjects are no people."""


def cluster_bindings() -> list[Binding]:
    """The bindings that every cluster has, in the whole cluster."""
    return [Binding(name, name, role, kind, subject) for name, (role, kind, subject) in CLUSTER_BINDINGS.items()]


def maintenance_binding() -> Binding:
    """The binding of the user that removes nodes."""
    return Binding(MAINTENANCE_NAME, MAINTENANCE_NAME, MAINTENANCE_NAME, "User", MAINTENANCE)


def bindings_of_people(access: Access) -> Iterator[Binding]:
    """The bindings of developers, groups and users on the page. Only developers share a binding."""
    for namespace in dict.fromkeys(developer.namespace for developer in access.developers):
        group = developer_group(namespace)
        yield Binding(f"developers-{namespace}", "hardway-developers", "edit", "Group", group, namespace)
    for group_role in access.groups:
        yield from _granted(access, "Group", group_role)
    for user_role in access.users:
        yield from _granted(access, "User", user_role)


def _granted(access: Access, kind: SubjectKind, grant: Grant) -> Iterator[Binding]:
    role = role_object(access, grant.role)
    name = binding_name(kind, grant.name, role)
    if grant.namespaces is None:
        yield Binding(name, name, role, kind, grant.name)
    for namespace in grant.namespaces or ():
        yield Binding(f"{name}-{namespace}", name, role, kind, grant.name, namespace)


def binding_name(kind: SubjectKind, subject: str, role: str) -> str:
    """The name of the binding of a subject to a ClusterRole: readable, and different for each pair.

    The API server never changes the role of a binding, so another role is another binding.
    """
    digest = hashlib.sha256(f"{subject}\0{role}".encode()).hexdigest()[:8]
    readable = re.sub(r"[^a-z0-9]+", "-", f"{subject}-{role}".lower()).strip("-")
    return f"hardway-{kind.lower()}-{readable[:_LONGEST].strip('-')}-{digest}"


def own_role_name(role: OwnRole) -> str:
    """The name of the ClusterRole of `access.roles`: an own name, so that no ClusterRole of others is overwritten."""
    return f"hardway-role-{role.name}" if role.rules is not None else role.name


def role_object(access: Access, name: str) -> str:
    """The name of the ClusterRole for `role` in `access.groups` and `access.users`."""
    return next((own_role_name(role) for role in access.roles if role.name == name), name)
