"""The roles of groups from `access.groups`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

import pulumi
import pulumi_kubernetes as k8s

from components.config.access import GroupRole

_RBAC = "rbac.authorization.k8s.io"
_LONGEST = 60


def bind_groups(
    groups: Sequence[GroupRole], namespaces: Mapping[str, k8s.core.v1.Namespace], opts: pulumi.ResourceOptions
) -> None:
    """One binding for each role of a group in each place. `namespaces` are those of the page, by name."""
    for group in groups:
        name = binding_name(group)
        role = {"api_group": _RBAC, "kind": "ClusterRole", "name": group.role}
        subjects = [{"api_group": _RBAC, "kind": "Group", "name": group.name}]
        if group.namespaces is None:
            k8s.rbac.v1.ClusterRoleBinding(name, metadata={"name": name}, role_ref=role, subjects=subjects, opts=opts)
        for namespace in group.namespaces or ():
            k8s.rbac.v1.RoleBinding(
                f"{name}-{namespace}",
                metadata={"name": name, "namespace": namespaces[namespace].metadata.name},
                role_ref=role,
                subjects=subjects,
                opts=opts,
            )


def binding_name(group: GroupRole) -> str:
    """The name of the binding of a group to a role: readable, and different for each pair.

    The API server never changes the role of a binding, so another role is another binding.
    """
    digest = hashlib.sha256(f"{group.name}\0{group.role}".encode()).hexdigest()[:8]
    readable = re.sub(r"[^a-z0-9]+", "-", f"{group.name}-{group.role}".lower()).strip("-")
    return f"hardway-group-{readable[:_LONGEST].strip('-')}-{digest}"
