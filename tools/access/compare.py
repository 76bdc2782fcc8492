"""Where the page and the cluster differ in rights: every difference with what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from components.addons.bindings import OF_COMPONENTS
from components.config.namespaces import MANAGED_BY
from components.pki.leaves import DEPLOYER_BINDING
from components.rights import BUILT_IN_ROLES, dangers
from tools.access.built_in import LABEL, built_in_rights
from tools.access.cluster import Found, FoundBinding, FoundRole
from tools.access.limits import unlike_namespaces
from tools.access.names import deletion, shown
from tools.access.rights import Right
from tools.access.wanted import Wanted
from tools.operate.revoked import grant_again

PAGE, CLUSTER, BOTH = "page only", "cluster only", "page and cluster"
_PROGRAM = "ServiceAccount"
_AGGREGATES = "rbac.authorization.k8s.io/aggregate-to-"
_LONGEST = 80


@dataclass(frozen=True, order=True)
class Known:
    """A right of a person or group, where it stands, and the binding that gives it."""

    right: Right
    source: str
    binding: str


@dataclass(frozen=True)
class Judged:
    """What is known about one binding: rights to show, differences and notes."""

    rights: tuple[Known, ...] = ()
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Rights of people, differences (somebody has to act), and notes (worth knowing)."""

    rights: tuple[Known, ...]
    differences: tuple[str, ...]
    notes: tuple[str, ...]


def compare(wanted: Wanted, found: Found, stack: str) -> Comparison:
    """Compare the page with the cluster."""
    up = f"`make up STACK={stack} ARGS=--refresh`"
    # An ordinary `up` does not make this binding, because its deletion is a revocation (decision record 70).
    ups = {name: up for _, name in wanted.bindings} | {DEPLOYER_BINDING: f"`{grant_again(stack)}`"}
    judged = [*_missing(wanted, found, ups), *(_judge(one, wanted, found, ups) for one in found.bindings)]
    differences = [text for one in judged for text in one.differences]
    differences += [*_roles(wanted, found, up), *unlike_namespaces(wanted, found, up)]
    rights = sorted(known for one in judged for known in one.rights)
    notes = [*(text for one in judged for text in one.notes), *_notes(wanted, found)]
    return Comparison(tuple(rights), tuple(differences), tuple(notes))


def by_namespace(rights: Iterable[Known], namespaces: Iterable[str]) -> dict[str, list[Known]]:
    """The rights that count in each namespace, also those in the whole cluster."""
    rights = tuple(rights)
    return {name: [one for one in rights if one.right.namespace in ("", name)] for name in namespaces}


def _missing(wanted: Wanted, found: Found, ups: Mapping[str, str]) -> Iterator[Judged]:
    present = {(one.namespace, one.name) for one in found.bindings}
    for (namespace, name), right in wanted.bindings.items():
        if (namespace, name) not in present:
            title = FoundBinding(name, namespace, {}, frozenset()).title()
            text = f"{title} is not in the cluster, so {_gives(right)} on the page alone: {ups[name]} makes it"
            yield Judged(_shown(name, [right], PAGE, title), (text,))


def _judge(binding: FoundBinding, wanted: Wanted, found: Found, ups: Mapping[str, str]) -> Judged:
    """A binding in the cluster: one of the page, one of Kubernetes, or one that somebody made."""
    key = binding.namespace, binding.name
    if key in wanted.bindings:
        expected = frozenset([wanted.bindings[key]])
        remedy = f"`{binding.deletion()}`, and {ups[binding.name]} makes it again"
        kept = _shown(binding.name, expected & binding.rights, BOTH, binding.title())
        lost = _shown(binding.name, expected - binding.rights, PAGE, binding.title())
        return _plus(_changed(binding, expected, "the page", remedy), kept + lost)
    of_kubernetes = built_in_rights(*key)
    if of_kubernetes is not None:
        return _changed(binding, of_kubernetes, "Kubernetes", "take that back with `kubectl edit`")
    return _by_hand(binding, found)


def _changed(binding: FoundBinding, expected: frozenset[Right], whose: str, remedy: str) -> Judged:
    """Subjects and roles that a known binding has too many or too few."""
    more, fewer = sorted(binding.rights - expected), sorted(expected - binding.rights)
    texts = [f"{binding.title()} of {whose} was changed, so {_gives(right)}: {remedy}" for right in more]
    texts += [f"{binding.title()} of {whose} was changed, so {_takes(right)}: {remedy}" for right in fewer]
    return Judged(tuple(Known(right, CLUSTER, binding.title()) for right in more), tuple(texts))


def _by_hand(binding: FoundBinding, found: Found) -> Judged:
    """A binding that is not on the page: a difference for people, a note for programs if it leads to all rights."""
    known, texts, notes = [], [], []
    if binding.labels.get(LABEL[0]) == LABEL[1]:
        texts.append(
            f"{binding.title()} has the label of bindings of Kubernetes, and no API server makes such a binding: "
            f"`{binding.deletion()}`"
        )
    for right in sorted(binding.rights):
        if right.kind != _PROGRAM:
            texts.append(
                f"{binding.title()} is not on the page: {_gives(right)}. Put the right on the page, or "
                f"`{binding.deletion()}`"
            )
            known.append(Known(right, CLUSTER, binding.title()))
        elif why := _leads_to(right, found):
            # Charts make such bindings, and the page has no line for them.
            place = right.subject.partition(":")[0]
            notes.append(
                f"{binding.title()}: {_gives(right)}, which leads to all rights ({why}), also for whoever may make "
                f"pods in the namespace {place}"
            )
            known.append(Known(right, CLUSTER, binding.title()))
    return Judged(tuple(known), tuple(texts), tuple(notes))


def _leads_to(right: Right, found: Found) -> str:
    """Why a right of a service account leads to all rights of the cluster. Empty if it does not.

    Whoever may make pods in the namespace of the account has its rights. Accounts in namespaces of Kubernetes are out
    of the reach of people without rights there.
    """
    inside = bool(right.namespace) and not right.namespace.startswith("kube-")
    if inside or right.subject.startswith("kube-"):
        return ""
    name = right.role.removeprefix("Role ")
    role = found.roles.get(("" if name == right.role else right.namespace, name))
    what = ", ".join(dangers(role.rules, whole_cluster=True)) if role else ""
    return what if len(what) <= _LONGEST else f"{what[: _LONGEST - 3]}..."


def _roles(wanted: Wanted, found: Found, up: str) -> Iterator[str]:
    for name, rules in wanted.own_roles.items():
        role = found.roles.get(("", name))
        if role is None:
            yield f"ClusterRole {shown(name)} of the page is not in the cluster: {up} makes it"
        elif role.rules != rules:
            remedy = f"`{deletion('clusterrole', name)}`, and {up} makes it again"
            yield f"ClusterRole {shown(name)} has other rules than on the page: {remedy}"
    for name in wanted.roles_of_others:
        if ("", name) not in found.roles:
            yield (
                f"there is no ClusterRole {shown(name)}, which the page names as a role of others: its bindings give "
                "nothing"
            )


def _notes(wanted: Wanted, found: Found) -> Iterator[str]:
    yield from wanted.trusted
    for name, namespace in sorted(found.namespaces.items()):
        if MANAGED_BY.items() <= namespace.labels.items() and name not in wanted.namespaces:
            yield (
                f"namespace {name} was on the page, and stays with all that is in it: "
                f"`{deletion('namespace', name)}` deletes it"
            )
    for (place, name), role in sorted(found.roles.items(), key=lambda entry: entry[0]):
        targets = _aggregated(role)
        if not place and targets and role.labels.get(LABEL[0]) != LABEL[1]:
            yield f"ClusterRole {shown(name)} adds its rules to {', '.join(targets)}"


def _aggregated(role: FoundRole) -> list[str]:
    return [name for name in BUILT_IN_ROLES if role.labels.get(f"{_AGGREGATES}{name}") == "true"]


def _shown(name: str, rights: Iterable[Right], source: str, title: str) -> tuple[Known, ...]:
    """Rights for the tables. Components of the cluster are no people."""
    return () if name in OF_COMPONENTS else tuple(Known(right, source, title) for right in rights)


def _plus(judged: Judged, more: tuple[Known, ...]) -> Judged:
    return replace(judged, rights=(*judged.rights, *more))


def _gives(right: Right) -> str:
    return f"{right.who()} has the role {right.what()} in the {right.where()}"


def _takes(right: Right) -> str:
    return f"{right.who()} does not have the role {right.what()} in the {right.where()}"
