"""What rules of RBAC lead to: which rights let their holder take more rights. Pure, for the page, policies and tools.

Sources: "Privilege escalation risks" in https://kubernetes.io/docs/concepts/security/rbac-good-practices/, and for a
namespace https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

READ_VERBS = ("get", "list", "watch")
WRITE_VERBS = ("create", "update", "patch", "delete", "deletecollection")
VERBS = READ_VERBS + WRITE_VERBS
"""The verbs of requests: https://kubernetes.io/docs/reference/access-authn-authz/authorization/#determine-the-request-verb."""
ESCALATING_VERBS = ("escalate", "bind", "impersonate", "approve", "sign", "attest")
"""Verbs that let their holder take rights of others: of roles, of people, of certificates that a signer signs."""
BUILT_IN_ROLES = ("view", "edit", "admin", "cluster-admin")
"""The roles for people that every API server makes."""

WILDCARD = "*"
_CONSTRAINED = ("impersonate:", "impersonate-on:")
"""Verbs of constrained impersonation begin like this (k8s.io/apiserver/pkg/endpoints/filters/impersonation)."""
_CHANGES = ("create", "update", "patch")
_WORKLOADS = {
    "": ("pods", "replicationcontrollers"),
    "apps": ("deployments", "daemonsets", "replicasets", "statefulsets"),
    "batch": ("jobs", "cronjobs"),
}
BOUNDS = {"": ("resourcequotas", "limitranges", "namespaces")}
"""What limits the people of a namespace: its quota, its limits, and the labels of the namespace itself."""

# In the whole cluster, so also in kube-system: (groups and resources, verbs).
_LEADS_TO_ALL: tuple[tuple[Mapping[str, tuple[str, ...]], tuple[str, ...]], ...] = (
    # The answer to a patch is the whole Secret, and the answer to deletecollection has all of them, also with dryRun. A
    # new Secret can be a bootstrap token, with which its holder becomes a node.
    ({"": ("secrets",)}, tuple(verb for verb in VERBS if verb != "delete")),
    (_WORKLOADS, _CHANGES),
    ({"": ("pods/exec", "pods/attach")}, ("create", "get")),
    ({"": ("pods/ephemeralcontainers",)}, ("update", "patch")),
    # Every request to a kubelet, also one that runs a command in a pod, needs only the verb of its method.
    ({"": ("nodes/proxy",)}, VERBS),
    ({"": ("serviceaccounts/token",)}, ("create",)),
    ({"": ("persistentvolumes",)}, ("create",)),
    # Whoever labels a namespace decides which pods its admission lets through.
    ({"": ("namespaces",)}, ("update", "patch")),
    ({"certificates.k8s.io": ("certificatesigningrequests/approval",)}, ("update", "patch")),
    # Requests of the holder for the certificate of any node are approved at once.
    ({"certificates.k8s.io": ("certificatesigningrequests/nodeclient",)}, ("create",)),
    (
        {
            "admissionregistration.k8s.io": (
                "mutatingwebhookconfigurations",
                "validatingwebhookconfigurations",
                "mutatingadmissionpolicies",
            ),
            "apiregistration.k8s.io": ("apiservices",),
        },
        _CHANGES,
    ),
)


def is_escalating(verb: str) -> bool:
    """Whether a verb lets its holder take rights of others."""
    return verb in ESCALATING_VERBS or verb.startswith(_CONSTRAINED)


def dangers(rules: Iterable[Any], *, whole_cluster: bool) -> Iterator[str]:
    """Each right in the rules that leads to rights which the rules do not have, such as `the verb 'bind'`.

    In one namespace (`whole_cluster` is False) these are wildcards, verbs that take rights of others, and changes of
    what limits the namespace. In the whole cluster there are more: whoever reads Secrets or makes pods in kube-system
    has all rights. `rules` are rules as in a ClusterRole. What is no such rule is named, too.
    """
    for rule in rules:
        if not isinstance(rule, Mapping):
            yield "a rule that cannot be read"
            continue
        verbs, groups, resources = (_texts(rule, name) for name in ("verbs", "apiGroups", "resources"))
        for what, values in (("verbs", verbs), ("apiGroups", groups), ("resources", resources)):
            yield from (f"the wildcard {value!r} in {what}" for value in values if WILDCARD in value)
        yield from (
            f"the wildcard {url!r} in nonResourceURLs" for url in _texts(rule, "nonResourceURLs") if url in ("*", "/*")
        )
        yield from (f"the verb {verb!r}" for verb in verbs if is_escalating(verb))
        wanted = (*_LEADS_TO_ALL, (BOUNDS, WRITE_VERBS)) if whole_cluster else ((BOUNDS, WRITE_VERBS),)
        found = {
            (verb, resource)
            for known, taking in wanted
            for group in groups
            for resource in resources
            for verb in verbs
            # `namespaces/finalize` is a part of the same object.
            if verb in taking and _is_one_of(resource, known.get(group, ()))
        }
        yield from (f"{verb} {resource}" for verb, resource in sorted(found))


def _is_one_of(resource: str, known: Iterable[str]) -> bool:
    return resource in known or resource.partition("/")[0] in {*known} & {*BOUNDS[""]}


def _texts(rule: Mapping[str, Any], name: str) -> list[str]:
    """The texts of a list. What cannot be read counts as a wildcard."""
    value = rule.get(name)
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        return [WILDCARD]
    return [entry if isinstance(entry, str) else WILDCARD for entry in value]
