"""`hardway:access.roles`, `access.groups` and `access.users`: who gets which role where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import model_validator

from components.config.names import is_domain
from components.config.namespaces import NAMESPACE
from components.config.section import Rule, Section, listing
from components.rights import VERBS, WILDCARD, is_escalating

_RESOURCE = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(/[a-z][a-z0-9]*)*")


def _role_problem(value: str) -> str | None:
    # ValidateRBACName: the name is one segment of a path (k8s.io/kubernetes/pkg/apis/rbac/validation).
    if value in (".", "..") or re.search(r"[/%\s]", value) or not value.isprintable():
        return "is not the name of a role"
    return None if 0 < len(value) <= 253 else f"has {len(value)} characters"


def _subject_problem(value: str) -> str | None:
    # Not printable are also characters that show others in another order, and spaces that look like one.
    if not value.isprintable():
        return "has control characters"
    if value != value.strip():
        return "begins or ends with a space"
    return None if 0 < len(value) <= 256 else f"has {len(value)} characters"


def _wildcard(value: str) -> str | None:
    return "is a wildcard, and gives rights that nobody has named" if WILDCARD in value else None


def _group_problem(value: str) -> str | None:
    if problem := _wildcard(value):
        return problem
    if "/" in value or re.fullmatch(r"v[0-9]+((alpha|beta)[0-9]+)?", value):
        return "has a version"
    if value == "core":
        return "is a name for the group without a name"
    return None if value == "" or is_domain(value) else "is not an API group"


def _resource_problem(value: str) -> str | None:
    return _wildcard(value) or (None if _RESOURCE.fullmatch(value) else "is not a resource")


def _verb_problem(value: str) -> str | None:
    if problem := _wildcard(value):
        return problem
    if is_escalating(value):
        return "lets its holder take rights that the page does not give"
    return None if value in VERBS else "is not a verb"


ROLE = Rule(
    "role", "the name of a ClusterRole, such as view, edit, admin or cluster-admin, without '/' and '%'", _role_problem
)
_SUBJECT = Rule("text", "1 to 256 characters, no control characters, no space at either end", _subject_problem)
_API_GROUP = Rule(
    "API group", "an API group without a version, such as apps or networking.k8s.io; '' for pods", _group_problem
)
_RESOURCE_RULE = Rule(
    "resource", "the plural of a resource in lower case, such as pods, pods/log or deployments", _resource_problem
)
_VERB = Rule("verb", ", ".join(VERBS), _verb_problem)


class RoleRule(Section):
    """What one rule of a role allows: each verb for each resource in each group."""

    api_groups: Annotated[tuple[Annotated[str, _API_GROUP], ...], listing("at least one API group", least=1)]
    """API groups. The group of pods, services and Secrets is empty: `""`."""
    resources: Annotated[tuple[Annotated[str, _RESOURCE_RULE], ...], listing("at least one resource", least=1)]
    """Resources, such as `deployments` or `pods/log`."""
    verbs: Annotated[tuple[Annotated[str, _VERB], ...], listing("at least one verb", least=1)]
    """Verbs of requests."""

    def as_rule(self) -> dict[str, list[str]]:
        """The rule as it is in a ClusterRole."""
        return {"apiGroups": list(self.api_groups), "resources": list(self.resources), "verbs": list(self.verbs)}


class OwnRole(Section):
    """A role besides `view`, `edit`, `admin` and `cluster-admin`, which exist anyway."""

    name: Annotated[str, ROLE]
    """The name for `role` in `access.groups` and `access.users`. The program makes a ClusterRole
    `hardway-role-<name>`."""
    rules: Annotated[tuple[RoleRule, ...], listing("at least one rule", least=1)] | None = None
    """What the role allows. Unset: others make the ClusterRole `<name>`, such as a chart, and `make access` says if the
    ClusterRole is missing."""


class Grant(Section):
    """A role for a group or a user."""

    @model_validator(mode="before")
    @classmethod
    def _null_is_no_place(cls, value: Any) -> Any:
        # `namespaces:` with no line below it, because somebody took the last one away, must not be the whole cluster.
        if isinstance(value, Mapping) and value.get("namespaces", ()) is None:
            return {**value, "namespaces": []}
        return value

    name: Annotated[str, _SUBJECT]
    """The group or user as API servers see it."""
    role: Annotated[str, ROLE]
    """`view`, `edit`, `admin`, `cluster-admin`, or a name in `access.roles`."""
    namespaces: Annotated[tuple[Annotated[str, NAMESPACE], ...], listing("at least one namespace", least=1)] | None = (
        None
    )
    """Where the role counts. The program makes these namespaces, and never deletes them. Without this
    key: in the whole cluster. The key without a value is refused."""


class GroupRole(Grant):
    """A role for all members of a group."""

    name: Annotated[str, _SUBJECT]
    """The group as API servers see it: with the prefix of its issuer, such as `oidc:platform`."""


class UserRole(Grant):
    """A role for one user."""

    name: Annotated[str, _SUBJECT]
    """The user as API servers see it: with the prefix of the issuer, such as `oidc:4f1c`, or the name of a
    developer."""
