"""RBAC rules in addition to those that the API server creates."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as k8s

from components.addons.groups import bind_groups
from components.config.access import Access
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
    """Bindings for the API server, bootstrapping kubelets and administrators; namespaces and roles of people.

    `bindings` are those of the whole cluster that a kubelet needs, `maintenance` what lets others be taken out of it.
    """

    bindings: list[pulumi.Resource]
    maintenance: pulumi.Resource

    def __init__(self, name: str, access: Access, opts: pulumi.ResourceOptions | None = None) -> None:
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
        namespaces = _namespaces(access, child)
        for namespace in dict.fromkeys(developer.namespace for developer in access.developers):
            k8s.rbac.v1.RoleBinding(
                f"developers-{namespace}",
                metadata={"name": "hardway-developers", "namespace": namespaces[namespace].metadata.name},
                role_ref={"api_group": _RBAC, "kind": "ClusterRole", "name": "edit"},
                subjects=[{"api_group": _RBAC, "kind": "Group", "name": developer_group(namespace)}],
                opts=child,
            )
        bind_groups(access.groups, namespaces, child)
        self.register_outputs({})


def _namespaces(access: Access, opts: pulumi.ResourceOptions) -> dict[str, k8s.core.v1.Namespace]:
    """The namespaces that the page names. One of `access.groups` outlives its line: others may have made it."""
    kept = {name for group in access.groups for name in group.namespaces or ()}
    listed = dict.fromkeys((*(developer.namespace for developer in access.developers), *sorted(kept)))
    return {
        name: k8s.core.v1.Namespace(
            f"namespace-{name}",
            metadata={"name": name},
            opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(retain_on_delete=name in kept or None)),
        )
        for name in listed
    }
