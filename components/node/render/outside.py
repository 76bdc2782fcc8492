"""The services outside of the cluster that API servers ask: how an API server reaches them, and what it asks them.

One kubeconfig for each service: https://kubernetes.io/docs/reference/access-authn-authz/webhook/.
"""

from __future__ import annotations

from components.config import Page
from components.config.authorization import AuthorizationWebhook
from components.config.durations import text
from components.config.webhook import Webhook
from components.node.model import ROOT
from components.node.render.documents import json_document
from components.pki.kubeconfig import by_service
from components.pki.leaves import ADMIN_GROUP, DEPLOYER_GROUP

CLIENT = "webhook-client"
"""The name of the files with the certificate that API servers show to services, in `ssl/kube-apiserver`."""
TOKEN_WEBHOOK, IMAGE_POLICY = "cfg/token-webhook.kubeconfig", "cfg/image-policy-webhook.kubeconfig"
AUTHORIZATION_WEBHOOK, AUTHORIZATION = "cfg/authorization-webhook.kubeconfig", "cfg/authorization.json"

# The service is asked after Node and RBAC, which allow the cluster's own requests without it. Without the conditions, a
# request of a component that RBAC does not allow would wait for the service, and the service could allow it more.
_NEVER_ASKED = (
    *(f"!request.user.startsWith('{beginning}')" for beginning in ("system:", "hardway:")),
    *(
        f"!('{group}' in request.groups)"
        for group in ("system:masters", "system:nodes", "system:serviceaccounts", ADMIN_GROUP, DEPLOYER_GROUP)
    ),
)


def kubeconfig_of(service: Webhook, at: str) -> str:
    """The kubeconfig with which an API server reaches a service. `at` is the folder of its certificates."""
    return by_service(server=service.url, ca=service.authorities, cert=f"{at}/{CLIENT}.pem", key=f"{at}/{CLIENT}.key")


def authorization(webhook: AuthorizationWebhook) -> str:
    """The AuthorizationConfiguration of an API server: Node and RBAC decide first, then the service is asked."""
    conditions = list(dict.fromkeys((*_NEVER_ASKED, *webhook.match_conditions)))
    return json_document(
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthorizationConfiguration",
            "authorizers": [
                {"type": "Node", "name": "node"},
                {"type": "RBAC", "name": "rbac"},
                {
                    "type": "Webhook",
                    "name": "webhook",
                    "webhook": {
                        "timeout": text(webhook.timeout),
                        "authorizedTTL": text(webhook.authorized_ttl),
                        "unauthorizedTTL": text(webhook.unauthorized_ttl),
                        "subjectAccessReviewVersion": "v1",
                        "matchConditionSubjectAccessReviewVersion": "v1",
                        "failurePolicy": webhook.failure_policy,
                        "connectionInfo": {
                            "type": "KubeConfigFile",
                            "kubeConfigFile": f"{ROOT}/{AUTHORIZATION_WEBHOOK}",
                        },
                        "matchConditions": [{"expression": expression} for expression in conditions],
                    },
                },
            ],
        }
    )


def settings_for_services(page: Page, at: str) -> dict[str, str]:
    """Files of an API server by path, with the services that the page has. Empty if there are none."""
    access = page.access
    services = {
        TOKEN_WEBHOOK: access.token_webhook,
        AUTHORIZATION_WEBHOOK: access.authorization_webhook,
        IMAGE_POLICY: page.admission.image_policy_webhook,
    }
    files = {path: kubeconfig_of(service, at) for path, service in services.items() if service}
    if access.authorization_webhook:
        files[AUTHORIZATION] = authorization(access.authorization_webhook)
    return files


def flags_for_services(page: Page) -> dict[str, str]:
    """Flags of an API server for authorization, and for the services that the page has."""
    access = page.access
    found = {"authorization-mode": "Node,RBAC"}
    if access.authorization_webhook:
        found = {"authorization-config": f"{ROOT}/{AUTHORIZATION}"}
    if access.token_webhook:
        found |= {
            "authentication-token-webhook-config-file": f"{ROOT}/{TOKEN_WEBHOOK}",
            "authentication-token-webhook-cache-ttl": text(access.token_webhook.cache_ttl),
            "authentication-token-webhook-version": "v1",
        }
    return found
