"""The policy files of the API server: audit, admission of pods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.node.render.authentication import HEALTH_PATHS
from components.node.render.documents import json_document

# https://kubernetes.io/docs/tasks/configure-pod-container/enforce-standards-admission-controller/
_PLUGINS: list[dict[str, Any]] = [
    {
        "name": "PodSecurity",
        "configuration": {
            "apiVersion": "pod-security.admission.config.k8s.io/v1",
            "kind": "PodSecurityConfiguration",
            "defaults": {
                "enforce": "baseline",
                "enforce-version": "latest",
                "audit": "restricted",
                "audit-version": "latest",
                "warn": "restricted",
                "warn-version": "latest",
            },
            "exemptions": {"usernames": [], "runtimeClasses": [], "namespaces": ["kube-system"]},
        },
    },
    {
        # A program in one namespace must not fill etcd with events. A kubelet sends 50 in a second at most
        # (eventRecordQPS).
        "name": "EventRateLimit",
        "configuration": {
            "apiVersion": "eventratelimit.admission.k8s.io/v1alpha1",
            "kind": "Configuration",
            "limits": [{"type": "Namespace", "qps": 100, "burst": 1000, "cacheSize": 4096}],
        },
    },
]


def admission_document(more: Sequence[dict[str, Any]] = ()) -> str:
    """The AdmissionConfiguration that every API server has, with more plugins."""
    return json_document(
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AdmissionConfiguration",
            "plugins": [*_PLUGINS, *more],
        }
    )


ADMISSION = admission_document()
"""The AdmissionConfiguration of a page without further plugins."""

_READ = ["get", "list", "watch"]
_COMPONENTS = ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "system:kube-proxy"]
_NODES = ["system:nodes"]
_SECRET = [
    {"group": "", "resources": ["secrets", "serviceaccounts/token"]},
    {"group": "authentication.k8s.io", "resources": ["tokenreviews"]},
]
_LEASES = [{"group": "coordination.k8s.io", "resources": ["leases"]}]
_EVENTS = [{"group": "", "resources": ["events"]}, {"group": "events.k8s.io", "resources": ["events"]}]

# https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/: who changed what, and who read a Secret, without frequent
# requests of a healthy cluster, and never with the content of a Secret. The first rule that fits decides. So what is
# always logged comes before what the components of the cluster may do without a line in the log.
AUDIT = json_document(
    {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "omitManagedFields": True,
        "rules": [
            {"level": "None", "nonResourceURLs": [f"{path}*" for path in (*HEALTH_PATHS, "/version", "/openapi")]},
            {"level": "Metadata", "resources": _SECRET},
            {"level": "None", "users": _COMPONENTS, "resources": [*_LEASES, *_EVENTS]},
            {"level": "None", "userGroups": _NODES, "resources": [*_LEASES, *_EVENTS]},
            # The leases of controllers in pods, such as leader elections.
            {"level": "None", "userGroups": ["system:serviceaccounts"], "resources": _LEASES},
            {"level": "None", "userGroups": _NODES, "verbs": _READ},
            {"level": "None", "users": ["system:kube-proxy", "system:kube-scheduler"], "verbs": _READ},
            {"level": "Metadata", "resources": [{"group": "", "resources": ["configmaps"]}, *_LEASES, *_EVENTS]},
            {"level": "Metadata", "verbs": _READ},
            {"level": "RequestResponse", "resources": [{"group": "rbac.authorization.k8s.io"}]},
            {"level": "Request", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
            {"level": "Metadata"},
        ],
    }
)
