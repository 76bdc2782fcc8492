"""RBAC rules in addition to those that the API server creates."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from components.config.page import Developer
from components.object_options import child_of
from components.pki.leaves import ADMIN_GROUP, MAINTENANCE, developer_group

_RBAC = "rbac.authorization.k8s.io"

CLUSTER_BINDINGS = {
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

# What components/node/scripts/cluster.sh does.
_MAINTAINS = (
    {"api_groups": [""], "resources": ["nodes"], "verbs": ["get", "list", "patch"]},
    {"api_groups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
    {"api_groups": [""], "resources": ["pods/eviction"], "verbs": ["create"]},
)


class Rbac(pulumi.ComponentResource):
    """Bindings for the API server, bootstrapping kubelets and administrators; a namespace for each developer.

    `bindings` are those of the whole cluster that a kubelet needs, `maintenance` what lets others be taken out of it.
    """

    bindings: list[pulumi.Resource]
    maintenance: pulumi.Resource

    def __init__(self, name: str, developers: Sequence[Developer], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hardway:addons:Rbac", name, {}, opts)
        child = child_of(self, opts)
        self.bindings = [
            k8s.rbac.v1.ClusterRoleBinding(
                binding,
                metadata={"name": binding},
                role_ref={"api_group": _RBAC, "kind": "ClusterRole", "name": role},
                subjects=[{"api_group": _RBAC, "kind": kind, "name": subject}],
                opts=child,
            )
            for binding, (role, kind, subject) in CLUSTER_BINDINGS.items()
        ]
        role = k8s.rbac.v1.ClusterRole(
            "hardway-maintenance", metadata={"name": "hardway-maintenance"}, rules=list(_MAINTAINS), opts=child
        )
        self.maintenance = k8s.rbac.v1.ClusterRoleBinding(
            "hardway-maintenance",
            metadata={"name": "hardway-maintenance"},
            role_ref={"api_group": _RBAC, "kind": "ClusterRole", "name": role.metadata.name},
            subjects=[{"api_group": _RBAC, "kind": "User", "name": MAINTENANCE}],
            opts=child,
        )
        for namespace in dict.fromkeys(developer.namespace for developer in developers):
            made = k8s.core.v1.Namespace(f"namespace-{namespace}", metadata={"name": namespace}, opts=child)
            k8s.rbac.v1.RoleBinding(
                f"developers-{namespace}",
                metadata={"name": "hardway-developers", "namespace": made.metadata.name},
                role_ref={"api_group": _RBAC, "kind": "ClusterRole", "name": "edit"},
                subjects=[{"api_group": _RBAC, "kind": "Group", "name": developer_group(namespace)}],
                opts=child,
            )
        self.register_outputs({})
