"""RBAC rules in addition to those that the API server creates, and the namespaces of people."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from components.addons.bindings import (
    MAINTENANCE_NAME,
    Binding,
    bindings_of_people,
    cluster_bindings,
    maintenance_binding,
    own_role_name,
)
from components.addons.namespaces import make_namespaces
from components.config.access import Access
from components.object_options import child_of

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
        self.bindings = [_bind(binding, child) for binding in cluster_bindings()]
        role = k8s.rbac.v1.ClusterRole(
            MAINTENANCE_NAME, metadata={"name": MAINTENANCE_NAME}, rules=list(_MAINTAINS), opts=child
        )
        self.maintenance = _bind(maintenance_binding(), child, [role])
        _make_people(access, child)
        self.register_outputs({})


def _make_people(access: Access, opts: pulumi.ResourceOptions) -> None:
    """Namespaces, own roles and bindings. Nobody gets rights in a namespace before the namespace has its limits."""
    namespaces = make_namespaces(access, opts)
    roles = {
        own_role_name(role): k8s.rbac.v1.ClusterRole(
            own_role_name(role),
            metadata={"name": own_role_name(role)},
            rules=[
                {"api_groups": rule["apiGroups"], "resources": rule["resources"], "verbs": rule["verbs"]}
                for rule in (one.as_rule() for one in role.rules)
            ],
            opts=opts,
        )
        for role in access.roles
        if role.rules is not None
    }
    # A role in the whole cluster counts in every namespace.
    everywhere = [one for made in namespaces.values() for one in made]
    for binding in bindings_of_people(access):
        needs = [*(namespaces[binding.namespace] if binding.namespace else everywhere)]
        needs += [roles[binding.role]] if binding.role in roles else []
        _bind(binding, opts, needs)


def _bind(binding: Binding, opts: pulumi.ResourceOptions, needs: Sequence[pulumi.Resource] = ()) -> pulumi.Resource:
    """The object of a binding. `needs` are made before."""
    kind = k8s.rbac.v1.RoleBinding if binding.namespace else k8s.rbac.v1.ClusterRoleBinding
    place = {"namespace": binding.namespace} if binding.namespace else {}
    made: pulumi.Resource = kind(
        binding.resource,
        metadata={"name": binding.name, **place},
        role_ref=binding.role_ref(),
        subjects=binding.subjects(),
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=list(needs))),
    )
    return made
