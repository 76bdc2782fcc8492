"""Rules about people in `access`: namespaces and their limits, roles, and who gets which role where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from components.config.errors import Finding, path_of
from components.config.namespaces import Namespace, is_counted
from components.config.page import Page
from components.config.quantities import parse
from components.config.roles import Grant
from components.config.rules.common import repeated
from components.rights import BOUNDS, BUILT_IN_ROLES, READ_VERBS, dangers

OWN = "hardway-"
"""The beginning of the names of all ClusterRoles and bindings that the program makes."""


def namespaces(page: Page) -> Iterator[Finding]:
    """Each namespace in `access.namespaces` comes once."""
    for index, first, name in repeated(one.name for one in page.access.namespaces):
        problem = f"{name!r} is also the name of access.namespaces[{first}]"
        yield Finding(f"access.namespaces[{index}].name", problem, "each namespace once")


def quotas(page: Page) -> Iterator[Finding]:
    """Amounts in a quota are whole numbers if they count objects or bytes."""
    for index, namespace in enumerate(page.access.namespaces):
        for name, text in namespace.quota.items():
            if "cpu" not in name and (parse(text) or Fraction()).denominator != 1:
                what = "objects" if is_counted(name) else "bytes"
                problem = f"{text!r} is not a whole number of {what}"
                yield Finding(
                    path_of(["access", "namespaces", index, "quota", name]), problem, f"a whole number of {what}"
                )


def container_limits(page: Page) -> Iterator[Finding]:
    """The amounts of a LimitRange fit each other, and its namespace's quota has room for one container with each."""
    for index, namespace in enumerate(page.access.namespaces):
        if namespace.limits is None:
            continue
        path = f"access.namespaces[{index}].limits"
        given = namespace.limits.given()
        if not given:
            yield Finding(path, "has no amount", "default, defaultRequest, max or min with cpu or memory")
        yield from _order(path, given)
        yield from _room(path, given, namespace)


def _order(path: str, given: dict[str, dict[str, str]]) -> Iterator[Finding]:
    """ValidateLimitRange in k8s.io/kubernetes/pkg/apis/core/validation."""
    for low, high in (
        ("min", "max"),
        ("min", "defaultRequest"),
        ("min", "default"),
        ("defaultRequest", "default"),
        ("defaultRequest", "max"),
        ("default", "max"),
    ):
        for resource, text in given.get(low, {}).items():
            other = given.get(high, {}).get(resource)
            if other is not None and _value(text) > _value(other):
                yield Finding(
                    f"{path}.{low}.{resource}", f"{text!r} is more than {high} ({other!r})", f"at most {other!r}"
                )


def _room(path: str, given: dict[str, dict[str, str]], namespace: Namespace) -> Iterator[Finding]:
    for name, resource, quota in _uses(given):
        amount, hard = given.get(name, {}).get(resource), namespace.quota.get(quota)
        if amount is not None and hard is not None and _value(amount) > _value(hard):
            problem = f"{amount!r} is more than the quota {quota} ({hard!r}): no container with this amount can start"
            yield Finding(f"{path}.{name}.{resource}", problem, f"at most {hard!r}")


def _uses(given: dict[str, dict[str, str]]) -> Iterator[tuple[str, str, str]]:
    """Each field of a LimitRange, with a resource and what of a quota a container with this amount uses."""
    for resource in ("cpu", "memory"):
        # Without a default, the largest limit is the default limit. Without a default request, the default limit is the
        # request, or else the smallest request is (SetDefaults_LimitRangeItem in k8s.io/kubernetes/pkg/apis/core/v1).
        order = ("defaultRequest", "default", "max", "min")
        request = next((name for name in order if resource in given.get(name, {})), "min")
        yield from ((name, resource, f"limits.{resource}") for name in ("default", "max"))
        yield from (
            (name, resource, quota)
            for name in dict.fromkeys((request, "min"))
            for quota in (f"requests.{resource}", resource)
        )


def _value(text: str) -> Fraction:
    return parse(text) or Fraction()


def roles(page: Page) -> Iterator[Finding]:
    """A role in `access.roles` has a name of its own, and cannot change what limits the people of a namespace."""
    own = page.access.roles
    for index, first, name in repeated(role.name for role in own):
        problem = f"{name!r} is also the name of access.roles[{first}]"
        yield Finding(f"access.roles[{index}].name", problem, "each name once")
    for index, role in enumerate(own):
        path = f"access.roles[{index}]"
        if role.name in BUILT_IN_ROLES:
            yield Finding(f"{path}.name", f"{role.name!r} is a role of Kubernetes", "another name")
        elif role.rules and role.name.startswith("system:"):
            yield Finding(
                f"{path}.name", f"{role.name!r} begins with 'system:', as roles of Kubernetes", "another name"
            )
        elif role.name.startswith(OWN):
            # A ClusterRole of hardway: another line makes it, or it is for programs.
            yield Finding(f"{path}.name", f"{role.name!r} begins with {OWN!r}, as roles of hardway", "another name")
        for number, rule in enumerate(role.rules or ()):
            if found := ", ".join(dangers([rule.as_rule()], whole_cluster=False)):
                problem = f"allows {found}, so people could lift the limits of their namespace"
                allowed = f"for {', '.join(BOUNDS[''])} only {', '.join(READ_VERBS)}"
                yield Finding(f"{path}.rules[{number}]", problem, allowed)


def groups(page: Page) -> Iterator[Finding]:
    """A group in `access.groups` begins with the prefix of an issuer, a proxy or a service, or is one of a token."""
    prefixes = page.access.prefixes("groups")
    exact = {group for one in page.access.tokens for group in one.groups}
    allowed = _allowed("groups", prefixes, ["one of access.tokens[].groups"] if exact else [])
    allowed = allowed or "no groups, or an issuer in access.oidc with claimMappings.groups"
    for index, one in enumerate(page.access.groups):
        if one.name not in exact and not _has_prefix(one.name, prefixes):
            yield Finding(f"access.groups[{index}].name", f"no issuer gives the group {one.name!r}", allowed)


def users(page: Page) -> Iterator[Finding]:
    """A user in `access.users` begins with the prefix of an issuer, a proxy or a service, or is on the page."""
    prefixes = page.access.prefixes("username")
    exact = {one.name for one in page.access.developers} | {one.name for one in page.access.tokens}
    others = ["the name of one of access.developers", *(["of one of access.tokens"] if page.access.tokens else [])]
    allowed = _allowed("users", prefixes, others)
    for index, one in enumerate(page.access.users):
        if one.name not in exact and not _has_prefix(one.name, prefixes):
            problem = f"neither an issuer nor a certificate gives the name {one.name!r}"
            yield Finding(f"access.users[{index}].name", problem, allowed)


def _allowed(what: str, prefixes: Mapping[str, str], others: Sequence[str]) -> str:
    """The names of users or groups that somebody gives, as text. Empty if nobody gives one."""
    places = list(dict.fromkeys(path.partition("[")[0].removesuffix(".prefix") for path in prefixes))
    texts = [*others]
    if prefixes:
        either = " or ".join(map(repr, prefixes.values()))
        texts.insert(0, f"a name that begins with {either}, the prefixes of {what} in {' and '.join(places)}")
    return ", or ".join(texts)


def grants(page: Page) -> Iterator[Finding]:
    """Each role in `access.groups` and `access.users` exists, and each name has each role in each place once."""
    yield from _grants(page, "groups", "group", page.access.groups)
    yield from _grants(page, "users", "user", page.access.users)


def _grants(page: Page, key: str, what: str, given: Sequence[Grant]) -> Iterator[Finding]:
    known = (*BUILT_IN_ROLES, *(role.name for role in page.access.roles))
    seen: dict[tuple[str, str, str], int] = {}
    for index, one in enumerate(given):
        path = f"access.{key}[{index}]"
        if one.role not in known:
            allowed = f"{', '.join(known)}, or one more role in access.roles"
            yield Finding(f"{path}.role", f"there is no role {one.role!r} on the page", allowed)
        if one.role == "cluster-admin" and one.namespaces is not None:
            problem = "'cluster-admin' in a namespace may change its quota, its limits and its Pod Security level"
            yield Finding(f"{path}.role", problem, "admin, which has all other rights in the namespace")
        for place in one.namespaces if one.namespaces is not None else ("",):
            first = seen.setdefault((one.name, one.role, place), index)
            where = f"in the namespace {place!r}" if place else "in the whole cluster"
            if first != index or (one.namespaces or ()).count(place) > 1:
                problem = f"the {what} {one.name!r} has the role {one.role!r} {where} already: access.{key}[{first}]"
                yield Finding(path, problem, f"each role of a {what} in each place once")
                break


def _has_prefix(name: str, prefixes: Mapping[str, str]) -> bool:
    return any(name.startswith(prefix) and name != prefix for prefix in prefixes.values())
