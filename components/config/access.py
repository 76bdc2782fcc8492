"""`hardway:access`: who may use the cluster besides its admin, and where."""

from __future__ import annotations

from typing import Annotated

from components.config.names import label_rule
from components.config.namespaces import NAMESPACE, Namespace
from components.config.oidc import MOST_ISSUERS, Issuer
from components.config.roles import GroupRole, OwnRole, UserRole
from components.config.section import Section, listing


class Developer(Section):
    """A person or team with a certificate of its own that may edit one namespace."""

    name: Annotated[str, label_rule("developer name")]
    """User name in Kubernetes. Unique."""
    namespace: Annotated[str, NAMESPACE]
    """Namespace that the program makes for the developer, and never deletes."""


class Access(Section):
    """Who may use the cluster besides its admin: docs/access.md."""

    namespaces: tuple[Namespace, ...] = ()
    """Namespaces of people with a quota, limits, a level of Pod Security and a network policy."""
    developers: tuple[Developer, ...] = (Developer(name="developer", namespace="development"),)
    """People with a certificate and with rights in one namespace."""
    oidc: Annotated[tuple[Issuer, ...], listing(f"at most {MOST_ISSUERS} issuers", most=MOST_ISSUERS)] = ()
    """Issuers of OpenID Connect whose tokens API servers accept: people log in as they do at work."""
    roles: tuple[OwnRole, ...] = ()
    """Roles besides those that exist anyway."""
    groups: tuple[GroupRole, ...] = ()
    """Roles of groups from `access.oidc`."""
    users: tuple[UserRole, ...] = ()
    """Roles of single users: from `access.oidc`, or developers."""

    def namespace_names(self) -> list[str]:
        """Every namespace that the page names, once."""
        grants = (*self.groups, *self.users)
        named = [name for grant in grants for name in grant.namespaces or ()]
        return list(
            dict.fromkeys(
                (*(one.name for one in self.namespaces), *(one.namespace for one in self.developers), *sorted(named))
            )
        )
