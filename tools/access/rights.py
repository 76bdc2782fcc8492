"""What a binding of RBAC gives, from an object of the API or from the inputs of a Pulumi resource."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tools.access.names import shown

UNREADABLE = "(cannot be read)"
"""In the place of a name that a plan does not show."""
WHOLE_CLUSTER = "whole cluster"
_OF_NAMESPACE = "Role "


@dataclass(frozen=True, order=True)
class Right:
    """A role of one subject in a namespace, or in the whole cluster if `namespace` is empty.

    `kind` is User, Group or ServiceAccount; the name of a ServiceAccount is `NAMESPACE:NAME`. `role` is the name of a
    ClusterRole, or `Role NAME` for a role of the namespace.
    """

    kind: str
    subject: str
    role: str
    namespace: str = ""

    def who(self) -> str:
        """The subject with its kind, as a person writes it."""
        if self.kind == UNREADABLE:
            return UNREADABLE
        return f"{'service account' if self.kind == 'ServiceAccount' else self.kind.lower()} {_name(self.subject)}"

    def what(self) -> str:
        """The role, as a person writes it."""
        name = self.role.removeprefix(_OF_NAMESPACE)
        return _name(name) if name == self.role else f"{_OF_NAMESPACE}{_name(name)}"

    def where(self) -> str:
        """The place."""
        return f"namespace {self.namespace}" if self.namespace else WHOLE_CLUSTER


def rights_of(binding: Mapping[str, Any], *, is_namespaced: bool) -> Iterator[Right]:
    """What a RoleBinding or ClusterRoleBinding gives, one right for each subject."""
    namespace = _text(_mapping(binding.get("metadata")), "namespace") if is_namespaced else ""
    role = role_of(binding)
    subjects = binding.get("subjects") or []
    for subject in subjects if isinstance(subjects, list) else [{}]:
        found = _mapping(subject)
        kind, name = _text(found, "kind"), _text(found, "name")
        if kind == "ServiceAccount":
            name = f"{found.get('namespace') or namespace}:{name}"
        yield Right(kind, name, role, namespace)


def role_of(binding: Mapping[str, Any]) -> str:
    """The role that a binding names: a ClusterRole, or `Role NAME`."""
    reference = _mapping(binding.get("roleRef"))
    name = _text(reference, "name")
    return f"{_OF_NAMESPACE}{name}" if reference.get("kind") == "Role" else name


def _name(text: str) -> str:
    return text if text == UNREADABLE else shown(text)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    return value if isinstance(value, str) else UNREADABLE
