"""What the API says about rights: bindings, roles, namespaces and what limits them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.config.namespaces import LIMITED_BY
from tools.access.names import deletion, shown
from tools.access.rights import Right, rights_of
from tools.common.answer import answer

_KINDS = (
    *("clusterrolebindings", "rolebindings", "clusterroles", "roles"),
    *("namespaces", "resourcequotas", "limitranges"),
)
_GRACE_SECONDS = 10
"""The time limit of kubectl begins with its connection. Its start and the resolution of names take more time."""


@dataclass(frozen=True)
class FoundBinding:
    """A RoleBinding, or a ClusterRoleBinding if `namespace` is empty."""

    name: str
    namespace: str
    labels: Mapping[str, str]
    rights: frozenset[Right]

    def title(self) -> str:
        """Kind, namespace and name."""
        if self.namespace:
            return f"RoleBinding {self.namespace}/{shown(self.name)}"
        return f"ClusterRoleBinding {shown(self.name)}"

    def deletion(self) -> str:
        """The command that takes the rights of the binding away."""
        return deletion("rolebinding" if self.namespace else "clusterrolebinding", self.name, self.namespace)


@dataclass(frozen=True)
class FoundNamespace:
    """A namespace: its labels, `hard` of the quota and the item for containers of the LimitRange of hardway.

    A quota that counts only some pods has the entry `scopes`.
    """

    labels: Mapping[str, str]
    quota: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FoundRole:
    """A ClusterRole, or a Role."""

    labels: Mapping[str, str]
    rules: list[dict[str, Any]]


@dataclass(frozen=True)
class Found:
    """What is in the cluster. Roles by namespace (empty: ClusterRole) and name."""

    bindings: tuple[FoundBinding, ...]
    roles: Mapping[tuple[str, str], FoundRole]
    namespaces: Mapping[str, FoundNamespace]


def ask(kubectl: Sequence[str], seconds: float) -> Found:
    """Ask the API. `kubectl` is the command line of the admin, in which each request may take `seconds`.

    Raises NoAnswerError.
    """
    command = [*kubectl, "get", ",".join(_KINDS), "--all-namespaces", "--output=json"]
    text = answer(command, len(_KINDS) * seconds + _GRACE_SECONDS)
    return found(json.loads(text)["items"])


def found(items: Iterable[Mapping[str, Any]]) -> Found:
    """What objects of the API say. Of quotas and limits only those count that the program makes."""
    bindings, roles = [], {}
    namespaces: dict[str, FoundNamespace] = {}
    quotas: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    for item in items:
        kind, meta = item["kind"], item["metadata"]
        name, namespace, labels = meta["name"], meta.get("namespace", ""), meta.get("labels") or {}
        match kind:
            case "ClusterRoleBinding" | "RoleBinding":
                rights = frozenset(rights_of(item, is_namespaced=kind == "RoleBinding"))
                bindings.append(FoundBinding(name, namespace, labels, rights))
            case "ClusterRole" | "Role":
                roles[namespace, name] = FoundRole(labels, item.get("rules") or [])
            case "Namespace":
                namespaces[name] = FoundNamespace(labels, annotations=meta.get("annotations") or {})
            case "ResourceQuota" if name == LIMITED_BY:
                quotas[namespace] = (item["spec"].get("hard") or {}) | _scopes(item["spec"])
            case "LimitRange" if name == LIMITED_BY:
                limits[namespace] = next(
                    (one for one in item["spec"].get("limits") or () if one["type"] == "Container"), {}
                )
    return Found(
        tuple(sorted(bindings, key=lambda one: (one.namespace, one.name))),
        roles,
        {
            name: FoundNamespace(one.labels, quotas.get(name, {}), limits.get(name, {}), one.annotations)
            for name, one in namespaces.items()
        },
    )


def _scopes(spec: Mapping[str, Any]) -> dict[str, str]:
    """Which pods a quota counts, if it does not count all: `scopes` and `scopeSelector` of a ResourceQuota."""
    selected = (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    names = [*(spec.get("scopes") or ()), *(one["scopeName"] for one in selected)]
    return {"scopes": ", ".join(names)} if names else {}
