"""The API server's policy files: who may ask without a credential, what is audited, which pods are admitted."""

from __future__ import annotations

import json

HEALTH_PATHS = ("/livez", "/readyz", "/healthz")
"""The only paths that answer an anonymous request: load balancers ask them."""


def _document(content: dict[str, object]) -> str:
    # JSON is YAML, and these files are read by machines and in diffs only.
    return json.dumps(content, indent=2) + "\n"


# https://kubernetes.io/docs/reference/access-authn-authz/authentication/#anonymous-authenticator-configuration
AUTHENTICATION = _document(
    {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "anonymous": {"enabled": True, "conditions": [{"path": path} for path in HEALTH_PATHS]},
    }
)

# https://kubernetes.io/docs/tasks/configure-pod-container/enforce-standards-admission-controller/
ADMISSION = _document(
    {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [
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
            }
        ],
    }
)

# https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/: who changed what, without the noise of a healthy
# cluster and never with the content of a Secret.
AUDIT = _document(
    {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "omitManagedFields": True,
        "rules": [
            {"level": "None", "nonResourceURLs": [f"{path}*" for path in (*HEALTH_PATHS, "/version", "/openapi")]},
            {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
            {"level": "None", "resources": [{"group": "", "resources": ["events"]}]},
            {"level": "None", "userGroups": ["system:nodes"], "verbs": ["get", "list", "watch"]},
            {
                "level": "None",
                "users": ["system:kube-proxy", "system:kube-scheduler"],
                "verbs": ["get", "list", "watch"],
            },
            {
                "level": "Metadata",
                "resources": [
                    {"group": "", "resources": ["secrets", "configmaps", "serviceaccounts/token"]},
                    {"group": "authentication.k8s.io", "resources": ["tokenreviews"]},
                ],
            },
            {"level": "Metadata", "verbs": ["get", "list", "watch"]},
            {"level": "RequestResponse", "resources": [{"group": "rbac.authorization.k8s.io"}]},
            {"level": "Request", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
            {"level": "Metadata"},
        ],
    }
)


def encryption_config(key: str) -> str:
    """Encryption at rest with secretbox (XSalsa20-Poly1305); `key` is 32 random bytes in base64.

    https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/. The API server does not cut the file's
    secrets out of anything, so this text is secret.
    """
    return _document(
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "EncryptionConfiguration",
            "resources": [
                {
                    "resources": ["secrets"],
                    "providers": [{"secretbox": {"keys": [{"name": "key1", "secret": key}]}}, {"identity": {}}],
                }
            ],
        }
    )
