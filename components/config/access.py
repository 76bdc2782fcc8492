"""`hardway:access`: who may use the cluster besides its admin, and where."""

from __future__ import annotations

from typing import Annotated, Literal

from components.config.authorization import AuthorizationWebhook
from components.config.logins import AuthenticatingProxy, StaticToken, TokenWebhook
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

    # A token makes a secret of the whole key for Pulumi, and messages about names would say nothing.
    is_public = True

    namespaces: tuple[Namespace, ...] = ()
    """Namespaces of people with a quota, limits, a level of Pod Security and a network policy."""
    developers: tuple[Developer, ...] = (Developer(name="developer", namespace="development"),)
    """People with a certificate and with rights in one namespace."""
    oidc: Annotated[tuple[Issuer, ...], listing(f"at most {MOST_ISSUERS} issuers", most=MOST_ISSUERS)] = ()
    """Issuers of OpenID Connect whose tokens API servers accept: people log in as they do at work."""
    proxy: AuthenticatingProxy | None = None
    """Authenticating proxies, which tell API servers in headers who asks. Unset: there are none."""
    token_webhook: TokenWebhook | None = None
    """A service that says who the holder of a token is. Unset: none is asked."""
    tokens: tuple[StaticToken, ...] = ()
    """Users with a token that stays valid until it leaves the page."""
    authorization_webhook: AuthorizationWebhook | None = None
    """A service that may allow what roles do not allow. Unset: none is asked."""
    roles: tuple[OwnRole, ...] = ()
    """Roles besides those that exist anyway."""
    groups: tuple[GroupRole, ...] = ()
    """Roles of groups from `access.oidc`, `access.proxy`, `access.tokenWebhook` or `access.tokens`."""
    users: tuple[UserRole, ...] = ()
    """Roles of single users: from the same places, or developers."""

    def prefixes(self, kind: Literal["username", "groups"]) -> dict[str, str]:
        """The beginning of the names that each issuer, proxy and service gives, by its path on the page."""
        found = {
            f"access.oidc[{index}].claimMappings.{kind}.prefix": mapping.prefix
            for index, issuer in enumerate(self.oidc)
            if (mapping := getattr(issuer.claim_mappings, kind)) is not None
        }
        others = {"proxy": self.proxy, "tokenWebhook": self.token_webhook}
        return found | {f"access.{key}.prefix": one.prefix for key, one in others.items() if one is not None}

    def namespace_names(self) -> list[str]:
        """Every namespace that the page names, once."""
        grants = (*self.groups, *self.users)
        named = [name for grant in grants for name in grant.namespaces or ()]
        return list(
            dict.fromkeys(
                (*(one.name for one in self.namespaces), *(one.namespace for one in self.developers), *sorted(named))
            )
        )
