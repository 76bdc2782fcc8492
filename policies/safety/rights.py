"""Rules about roles and bindings that give all rights in the cluster, at once or in one step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pulumi_policy import EnforcementLevel, Severity

from components.rights import BUILT_IN_ROLES, dangers
from policies.item import Item
from policies.patterns import matches
from policies.rule import About, Rule, Setting, Settings, resource_rule, stack_rule

_RBAC = "kubernetes:rbac.authorization.k8s.io/v1:"
_CLUSTER_BINDING, _BINDING = f"{_RBAC}ClusterRoleBinding", f"{_RBAC}RoleBinding"
_CLUSTER_ROLE, _ROLE = f"{_RBAC}ClusterRole", f"{_RBAC}Role"
_NAMESPACE = "kubernetes:core/v1:Namespace"
_ENFORCE = "pod-security.kubernetes.io/enforce"
_ALL = "cluster-admin"
_UNREADABLE = "what it gives cannot be read"
_LESS = "Give a role in namespaces, or view, where that is enough."

_OF_NODES = (
    ("system:node-bootstrapper", "system:bootstrappers"),
    ("system:certificates.k8s.io:certificatesigningrequests:nodeclient", "system:bootstrappers"),
    ("system:certificates.k8s.io:certificatesigningrequests:selfnodeclient", "system:nodes"),
)
"""Roles of Kubernetes that a new node needs, each with its group. Anybody else could become a node with them."""

_BROAD = Setting(["cluster-admin", "admin", "edit"], "Names of roles that lead to all rights.")
_SUBJECTS = Setting(
    ["hardway:cluster-admins", "kube-apiserver-kubelet-client"], "Names of users and groups that may have them."
)


def rights(item: Item, settings: Settings) -> Iterator[str]:
    """Finds bindings of the whole cluster to a role with all rights, own roles with such rights, open namespaces."""
    if item.type == _CLUSTER_BINDING:
        yield from _broad(item, settings)
    elif item.type == _BINDING:
        role = _role(item)
        if role is None:
            yield f"{item.name}: {_UNREADABLE}, so it may be all rights."
        elif role == _ALL:
            yield (
                f"{item.name}: gives the role {_ALL} in a namespace, which may change the quota, the limits and the "
                "level of Pod Security there. Give admin."
            )
    elif item.type in (_CLUSTER_ROLE, _ROLE):
        # A ClusterRole may be bound in a namespace. `rights_of_roles` looks at roles of the whole cluster.
        for danger in _dangers(item, whole_cluster=False):
            yield f"{item.name}: allows {danger}, with which its holder can take more rights. Name what is needed."
    elif item.type == _NAMESPACE:
        yield from _privileged(item, settings)


def _broad(item: Item, settings: Settings) -> Iterator[str]:
    role = _role(item)
    if role is None:
        yield f"{item.name}: {_UNREADABLE}, so it may be all rights."
    elif matches(role, settings["roles"]):
        for kind, name in _subjects(item):
            if name is None:
                yield f"{item.name}: gives the role {role} in the whole cluster, and {_UNREADABLE}: to whom."
            elif not matches(name, settings["subjects"]):
                yield (
                    f"{item.name}: gives the role {role} in the whole cluster to {kind} {name}. Check who is meant: "
                    f"with this role, a member can take every right. {_LESS}"
                )


def _privileged(item: Item, settings: Settings) -> Iterator[str]:
    metadata = item.props.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    level = labels.get(_ENFORCE) if isinstance(labels, Mapping) else None
    if level == "privileged" and not (isinstance(name, str) and matches(name, settings["namespaces"])):
        yield (
            f"{item.name}: the level of Pod Security is privileged, so whoever may make pods there is root on nodes. "
            "Use restricted or baseline."
        )


def rights_of_roles(items: Sequence[Item], settings: Settings) -> Iterator[tuple[str | None, str]]:
    """Finds bindings to roles that lead to all rights by their rules, or whose rules the plan does not show."""
    roles = {name: item for item in items if item.type == _CLUSTER_ROLE and (name := _name(item))}
    unreadable = []
    for item in items:
        if item.type not in (_CLUSTER_BINDING, _BINDING) or _is_for_programs(item):
            continue
        subjects = [name for _, name in _subjects(item)]
        if subjects and all(name is not None and matches(name, settings["subjects"]) for name in subjects):
            continue
        everywhere = item.type == _CLUSTER_BINDING
        role = _role(item)
        given = f"{item.name}: gives the role {role} {'in the whole cluster' if everywhere else 'in a namespace'}"
        if role is None:
            unreadable.append(item.name)
        elif role in roles:
            for danger in _dangers(roles[role], whole_cluster=everywhere):
                yield item.urn, f"{given}, and the role allows {danger}: that leads to all rights. {_LESS}"
        elif not matches(role, settings["known"]) and not all((role, name) in _OF_NODES for name in subjects):
            look = f"`kubectl describe clusterrole {role}`"
            yield item.urn, f"{given}, and the plan does not show what the role allows. Look at it: {look}."
    if unreadable:
        # Without an API, as in the first preview of a stack, the engine shows no object of the cluster to this rule.
        names = ", ".join(sorted(unreadable))
        yield None, f"nobody can judge the roles of {names} yet: what they give cannot be read before `up`."


def _dangers(item: Item, *, whole_cluster: bool) -> Iterator[str]:
    rules = item.props.get("rules")
    if not isinstance(rules, list):
        # A role without rules allows nothing; one that others put together from parts allows what they say.
        if "rules" in item.props or "aggregationRule" in item.props or not item.props:
            yield "what cannot be read"
        return
    yield from dangers(rules, whole_cluster=whole_cluster)


def _role(item: Item) -> str | None:
    """The name of the role, None if the plan does not show the name."""
    reference = item.props.get("roleRef")
    name = reference.get("name") if isinstance(reference, Mapping) else None
    return name if isinstance(name, str) else None


def _subjects(item: Item) -> list[tuple[str, str | None]]:
    """Kind and name of each subject. The name is None if the plan does not show it."""
    found = item.props.get("subjects", [])
    subjects: list[Any] = found if isinstance(found, list) else [None]
    readable = [subject if isinstance(subject, Mapping) else {} for subject in subjects]
    return [(str(subject.get("kind")), _text(subject.get("name"))) for subject in readable]


def _is_for_programs(item: Item) -> bool:
    """Whether all subjects are accounts of pods, which no person is."""
    subjects = _subjects(item)
    return bool(subjects) and all(kind == "ServiceAccount" for kind, _ in subjects)


def _name(item: Item) -> str | None:
    metadata = item.props.get("metadata")
    return _text(metadata.get("name")) if isinstance(metadata, Mapping) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


RULES: list[Rule] = [
    resource_rule(
        About(
            "all-rights",
            "A plan shows who gets a role in the whole cluster that leads to all rights.",
            {
                # edit and admin also reach Secrets and pods in kube-system, where Pod Security has no limits.
                "roles": _BROAD,
                "subjects": _SUBJECTS,
                "namespaces": Setting(["kube-*"], "Names of namespaces in which only the cluster itself makes pods."),
            },
            Severity.MEDIUM,
            EnforcementLevel.ADVISORY,
        ),
        [_CLUSTER_BINDING, _BINDING, _CLUSTER_ROLE, _ROLE, _NAMESPACE],
        rights,
    ),
    stack_rule(
        About(
            "rights-of-roles",
            "A plan shows which roles of people lead to all rights by their rules.",
            {
                "known": Setting(
                    [*BUILT_IN_ROLES],
                    "Names of roles that are not in the plan and need no look. all-rights tells the broad ones.",
                ),
                "subjects": _SUBJECTS,
            },
            Severity.MEDIUM,
            EnforcementLevel.ADVISORY,
        ),
        rights_of_roles,
    ),
]
