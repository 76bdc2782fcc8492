"""Namespaces whose pods connect to each other and to the DNS of the cluster only, until somebody allows more.

Network policies add up: whoever may make one, as people with the roles `edit` and `admin` may, can allow more. Only
those who may delete the namespace can take the policy of the page away, or change it.
"""

from __future__ import annotations

from typing import Any

from components.config.namespaces import LIMITED_BY, MANAGED_BY

DNS_LABELS = {"k8s-app": "kube-dns"}
"""The labels of the pods of CoreDNS."""
GUARD = "hardway-network-policies"
"""The admission policy that keeps the policies of the page as they are."""
_MAY_DELETE = 'authorizer.group("").resource("namespaces").name(request.namespace).check("delete").allowed()'


def policy_spec() -> dict[str, Any]:
    """The specification of the NetworkPolicy of an isolated namespace, as the API has it.

    https://kubernetes.io/docs/concepts/security/multi-tenancy/#network-isolation
    """
    dns = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": dict(DNS_LABELS)},
    }
    return {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [{"podSelector": {}}]}],
        "egress": [
            {"to": [{"podSelector": {}}]},
            {"to": [dns], "ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]},
        ],
    }


def guard_spec() -> dict[str, Any]:
    """The specification of GUARD, a ValidatingAdmissionPolicy. Requests about such an object are refused if it fails.

    Garbage collection, the deletion of the namespace, administrators and the program may delete the namespace, too.
    """
    rule = {
        "api_groups": ["networking.k8s.io"],
        "api_versions": ["v1"],
        "operations": ["UPDATE", "DELETE"],
        "resources": ["networkpolicies"],
    }
    return {
        "failure_policy": "Fail",
        "match_constraints": {
            "resource_rules": [rule],
            "namespace_selector": {"match_labels": dict(MANAGED_BY)},
        },
        # `request.name` is empty if somebody deletes all policies of a namespace at once.
        "match_conditions": [{"name": "of-the-page", "expression": f'oldObject.metadata.name == "{LIMITED_BY}"'}],
        "validations": [
            {
                "expression": _MAY_DELETE,
                "message": f"the NetworkPolicy {LIMITED_BY} belongs to the page of the cluster; allow more by a policy "
                "of another name",
                "reason": "Forbidden",
            }
        ],
    }
