"""What the page wants: bindings, own roles, and what limits namespaces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from components.addons.bindings import (
    Binding,
    bindings_of_people,
    cluster_bindings,
    maintenance_binding,
    own_role_name,
)
from components.addons.isolation import policy_spec
from components.config.access import Access
from components.config.errors import ConfigError, Finding
from components.config.findings import findings_of
from components.config.loading import plain_keys
from components.config.page import Page
from components.config.rules import admission, logins, people, settings
from components.pki.leaves import (
    ADMIN_GROUP,
    ADMIN_USER,
    DEPLOYER_BINDING,
    DEPLOYER_GROUP,
    DEPLOYER_USER,
    developer_group,
)
from tools.access.rights import Right
from tools.common.errors import ToolError
from tools.operate.page import read, section

_RULES = (
    *(people.namespaces, people.quotas, people.container_limits, settings.developers),
    *(admission.tolerations, logins.prefixes, logins.proxies, logins.tokens),
    *(people.roles, people.groups, people.users, people.grants),
)


@dataclass(frozen=True)
class WantedNamespace:
    """A namespace of the page. `level` is empty if the page says nothing, as for a namespace of developers alone."""

    level: str = ""
    quota: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    """The annotations with which plugins of admission bind pods to nodes."""
    network: Mapping[str, Any] = field(default_factory=dict)
    """The specification of the NetworkPolicy of hardway. Empty: there is none."""


@dataclass(frozen=True)
class Wanted:
    """What has to be in the cluster. `bindings` by namespace (empty: the whole cluster) and name."""

    bindings: Mapping[tuple[str, str], Right]
    own_roles: Mapping[str, list[dict[str, Any]]]
    """The rules of each ClusterRole that the program makes for people."""
    roles_of_others: tuple[str, ...]
    """ClusterRoles that the page names and others make."""
    namespaces: Mapping[str, WantedNamespace]
    certificates: Mapping[str, str]
    """The group of each person, or program, with a certificate."""
    tokens: Mapping[str, tuple[str, ...]]
    """The groups of each user with a static token."""
    trusted: tuple[str, ...]
    """A sentence about each program outside of the cluster that decides who somebody is, or what somebody may do."""


def load_access(path: Path) -> Access:
    """The section `access` of a page. Raises ToolError with what is wrong in it."""
    on_page = section(read(path), "access")
    given = _readable(on_page)
    if (place := next(_encrypted(given, "access"), None)) is not None:
        raise ToolError(
            f"{path.name}: hardway:{place} is encrypted, and `make access` decrypts nothing; encrypt only "
            "access.tokens[].token"
        )
    try:
        access = Access.model_validate({} if given is None else given)
    except ValidationError as error:
        found = [Finding(_inside(one.path), one.problem, one.allowed) for one in findings_of(error, Access, ())]
        raise ToolError(f"{path.name}: {ConfigError(found)}") from None
    # The rules look at nothing else of the page.
    page = Page.model_construct(access=access)  # type: ignore[call-arg]
    # Pulumi tells the program only whether there is a secret somewhere in `access`. The page says that of each token.
    plain = [finding for finding in plain_keys(page, ()) if finding.path in _plain_tokens(on_page)]
    if found := [*(finding for rule in _RULES for finding in rule(page)), *plain]:
        raise ToolError(f"{path.name}: {ConfigError(found)}")
    return access


def _tokens(given: Any) -> list[Any]:
    tokens = given.get("tokens") if isinstance(given, dict) else None
    return [one if isinstance(one, dict) else {} for one in tokens] if isinstance(tokens, list) else []


def _plain_tokens(given: Any) -> set[str]:
    """The paths of tokens that are not encrypted."""
    listed = enumerate(_tokens(given))
    return {f"access.tokens[{index}].token" for index, one in listed if isinstance(one.get("token"), str)}


def _readable(given: Any) -> Any:
    """The section with another token in the place of each token that is encrypted on the page."""
    encrypted = [index for index, one in enumerate(_tokens(given)) if _is_encrypted(one.get("token"))]
    if not encrypted:
        return given
    readable = [*given["tokens"]]
    for index in encrypted:
        readable[index] = {**readable[index], "token": hashlib.sha256(str(index).encode()).hexdigest()}
    return {**given, "tokens": readable}


def _is_encrypted(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"secure"}


def _encrypted(value: Any, path: str) -> Iterator[str]:
    """The path of each value that is encrypted."""
    if _is_encrypted(value):
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _encrypted(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _encrypted(item, f"{path}[{index}]")


def _trusted(access: Access) -> Iterator[str]:
    if access.proxy:
        names = ", ".join(access.proxy.names)
        yield f"access.proxy: whoever has the key of a proxy ({names}) can be every user, also one with all rights"
    if access.token_webhook:
        yield f"access.tokenWebhook: {access.token_webhook.url} can make every user of the holder of a token"
    if access.authorization_webhook:
        url = access.authorization_webhook.url
        yield f"access.authorizationWebhook: {url} may allow what is not in these tables"


def _inside(path: str) -> str:
    """The path of a finding in the section as a path of the page."""
    return f"access{'.' if path and path[0] != '[' else ''}{path}"


def wanted(access: Access) -> Wanted:
    """What follows from the page."""
    deployers = Binding(DEPLOYER_BINDING, DEPLOYER_BINDING, "cluster-admin", "Group", DEPLOYER_GROUP)
    bindings = [*cluster_bindings(), maintenance_binding(), deployers, *bindings_of_people(access)]
    listed = {one.name: one for one in access.namespaces}
    return Wanted(
        bindings={(one.namespace, one.name): Right(one.kind, one.subject, one.role, one.namespace) for one in bindings},
        own_roles={
            own_role_name(role): [rule.as_rule() for rule in role.rules]
            for role in access.roles
            if role.rules is not None
        },
        roles_of_others=tuple(role.name for role in access.roles if role.rules is None),
        namespaces={
            name: WantedNamespace(
                level=one.pod_security,
                quota=one.quota,
                limits=one.limits.given() if one.limits else {},
                annotations=one.annotations(),
                network=policy_spec() if one.network == "isolated" else {},
            )
            if (one := listed.get(name))
            else WantedNamespace()
            for name in access.namespace_names()
        },
        certificates={ADMIN_USER: ADMIN_GROUP, DEPLOYER_USER: DEPLOYER_GROUP}
        | {one.name: developer_group(one.namespace) for one in access.developers},
        tokens={one.name: one.groups for one in access.tokens},
        trusted=tuple(_trusted(access)),
    )
