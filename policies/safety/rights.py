"""A rule about bindings that give all rights in the cluster, at once or in one step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pulumi_policy import EnforcementLevel, Policy, Severity

from policies.item import Item
from policies.patterns import matches
from policies.rule import About, Setting, Settings, resource_rule

_BINDING = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding"


def rights(item: Item, settings: Settings) -> Iterator[str]:
    """Finds subjects of a binding of the whole cluster whose role leads to all rights."""
    reference = item.props.get("roleRef")
    role = reference.get("name") if isinstance(reference, Mapping) else None
    if not isinstance(role, str) or not matches(role, settings["roles"]):
        return
    subjects = item.props.get("subjects")
    for subject in subjects if isinstance(subjects, list) else ():
        name = subject.get("name") if isinstance(subject, Mapping) else None
        if isinstance(name, str) and not matches(name, settings["subjects"]):
            yield (
                f"{item.name}: gives the role {role} in the whole cluster to {subject.get('kind')} {name}. Check who "
                "is meant: with this role, a member can take every right. Give a role in namespaces, or view, where "
                "that is enough."
            )


RULES: list[Policy] = [
    resource_rule(
        About(
            "all-rights",
            "A plan shows who gets a role in the whole cluster that leads to all rights.",
            {
                # edit and admin also reach Secrets and pods in kube-system, where Pod Security has no limits.
                "roles": Setting(["cluster-admin", "admin", "edit"], "Names of roles that lead to all rights."),
                "subjects": Setting(["hardway:cluster-admins"], "Names of users and groups that may have them."),
            },
            Severity.MEDIUM,
            EnforcementLevel.ADVISORY,
        ),
        [_BINDING],
        rights,
    )
]
