"""flanneld may change the Node object of its own node only, and there only what it needs.

RBAC gives flanneld the right to patch the status of every node, because RBAC knows no "own node". Whoever takes over a
node has the token of its flanneld. The token names the node of its pod, and an admission policy compares:
https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#additional-metadata-in-pod-bound-tokens
"""

from __future__ import annotations

from typing import Any

import pulumi

from components.denying_policy import make_denying_policy

_NAME = "flannel-own-node"
_NODE = "authentication.kubernetes.io/node-name"
_ANNOTATIONS = "flannel.alpha.coreos.com/"
_CONDITION = "NetworkUnavailable"
_OTHERS = f'filter(c, c.type != "{_CONDITION}")'
_FIXED = (
    *("capacity", "allocatable", "addresses", "daemonEndpoints", "nodeInfo", "images"),
    *("volumesInUse", "volumesAttached"),
)
"""Fields of the status that flanneld has nothing to do with."""


def make_policy(name: str, user: str, opts: pulumi.ResourceOptions) -> None:
    """The policy for the service account `user`, and its binding. Requests are refused if the policy fails."""
    make_denying_policy(f"{name}-own-node", _NAME, policy_spec(user), opts)


def policy_spec(user: str) -> dict[str, Any]:
    """The specification of the ValidatingAdmissionPolicy, with the names of fields as Pulumi writes them."""
    rule = {
        "api_groups": [""],
        "api_versions": ["v1"],
        "operations": ["UPDATE"],
        "resources": ["nodes", "nodes/status"],
    }
    return {
        "failure_policy": "Fail",
        "match_constraints": {"resource_rules": [rule]},
        "match_conditions": [{"name": "flannel", "expression": f'request.userInfo.username == "{user}"'}],
        "variables": [
            {"name": "old", "expression": "oldObject.metadata.?annotations.orValue({})"},
            {"name": "new", "expression": "object.metadata.?annotations.orValue({})"},
            {
                "name": "others",
                "expression": "[variables.old, variables.new].all(all,"
                f' all.all(k, k.startsWith("{_ANNOTATIONS}") || variables.old[?k] == variables.new[?k]))',
            },
        ],
        "validations": [
            {
                "expression": f'request.userInfo.extra[?"{_NODE}"].orValue([]) == [object.metadata.name]',
                "message": "flannel changes the node of its own pod only",
            },
            {
                "expression": "object.metadata.?labels == oldObject.metadata.?labels && variables.others",
                "message": f"flannel changes no labels, and only annotations that begin with {_ANNOTATIONS}",
            },
            {
                "expression": f"{list(_FIXED)}.all(f, object.status[?f] == oldObject.status[?f])"
                f" && object.status.?conditions.orValue([]).{_OTHERS}"
                f" == oldObject.status.?conditions.orValue([]).{_OTHERS}",
                "message": f"flannel changes only the condition {_CONDITION} of the status",
            },
        ],
    }
