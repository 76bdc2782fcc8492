"""`hardway:access`: who may use the cluster besides its admin."""

from __future__ import annotations

import re
from typing import Annotated

from components.config.names import label_rule
from components.config.oidc import MOST_ISSUERS, Issuer
from components.config.pki import text_rule
from components.config.section import Rule, Section, listing

_NAMESPACE_LABEL = label_rule("namespace")


def _namespace_problem(value: str) -> str | None:
    if _NAMESPACE_LABEL.check(value):
        return "is not a namespace"
    # "Namespaces" of the Kubernetes documentation reserves the prefix kube-.
    return "belongs to Kubernetes" if value == "default" or value.startswith("kube-") else None


def _role_problem(value: str) -> str | None:
    # ValidateRBACName: the name is one segment of a path (k8s.io/kubernetes/pkg/apis/rbac/validation).
    if value in (".", "..") or re.search(r"[/%\s\x00-\x1f\x7f]", value):
        return "is not the name of a role"
    return None if 0 < len(value) <= 253 else f"has {len(value)} characters"


_NAMESPACE = Rule("namespace", "a DNS label of at most 63 characters, not default and not kube-*", _namespace_problem)
_ROLE = Rule(
    "role", "the name of a ClusterRole, such as view, edit, admin or cluster-admin, without '/' and '%'", _role_problem
)


class Developer(Section):
    """A person or team with a certificate of its own that may edit one namespace."""

    name: Annotated[str, label_rule("developer name")]
    """User name in Kubernetes. Unique."""
    namespace: Annotated[str, _NAMESPACE]
    """Namespace that the program makes for the developer."""


class GroupRole(Section):
    """A role for all members of a group."""

    name: Annotated[str, text_rule(256)]
    """The group as API servers see it: with the prefix of its issuer, such as `oidc:platform`."""
    role: Annotated[str, _ROLE]
    """A ClusterRole: `view`, `edit`, `admin`, `cluster-admin`, or an own one, which has to exist."""
    namespaces: Annotated[tuple[Annotated[str, _NAMESPACE], ...], listing("at least one namespace", least=1)] | None = (
        None
    )
    """Where the role counts. The program makes these namespaces, and never deletes them. Unset: in the whole
    cluster."""


class Access(Section):
    """Who may use the cluster besides its admin: docs/access.md."""

    developers: tuple[Developer, ...] = (Developer(name="developer", namespace="development"),)
    """People with a certificate and with rights in one namespace."""
    oidc: Annotated[tuple[Issuer, ...], listing(f"at most {MOST_ISSUERS} issuers", most=MOST_ISSUERS)] = ()
    """Issuers of OpenID Connect whose tokens API servers accept: people log in as they do at work."""
    groups: tuple[GroupRole, ...] = ()
    """Roles of groups from `access.oidc`."""
