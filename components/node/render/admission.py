"""Which plugins of admission an API server has, and their configuration."""

from __future__ import annotations

from typing import Any

from components.config import Page
from components.config.admission import (
    ALWAYS_ON,
    IMAGE_POLICY_WEBHOOK,
    POD_NODE_SELECTOR,
    POD_TOLERATION_RESTRICTION,
    ImagePolicyWebhook,
)
from components.node.model import ROOT
from components.node.render.api_policies import admission_document
from components.node.render.outside import IMAGE_POLICY


def admission_flags(page: Page) -> dict[str, str]:
    """Flags of an API server."""
    namespaces = page.access.namespaces
    enabled = [*ALWAYS_ON, *page.admission.enable]
    if any(one.node_selector for one in namespaces):
        enabled.append(POD_NODE_SELECTOR)
    if any(one.tolerations for one in namespaces):
        enabled.append(POD_TOLERATION_RESTRICTION)
    if page.admission.image_policy_webhook:
        enabled.append(IMAGE_POLICY_WEBHOOK)
    found = {"enable-admission-plugins": ",".join(enabled)}
    if page.admission.disable:
        found["disable-admission-plugins"] = ",".join(page.admission.disable)
    return found


def admission(page: Page) -> str:
    """The AdmissionConfiguration of an API server."""
    webhook = page.admission.image_policy_webhook
    return admission_document([_image_policy(webhook)] if webhook else [])


def _image_policy(webhook: ImagePolicyWebhook) -> dict[str, Any]:
    return {
        "name": IMAGE_POLICY_WEBHOOK,
        "configuration": {
            "imagePolicy": {
                "kubeConfigFile": f"{ROOT}/{IMAGE_POLICY}",
                "allowTTL": int(webhook.allow_ttl.total_seconds()),
                "denyTTL": int(webhook.deny_ttl.total_seconds()),
                # Milliseconds before the second of at most five attempts, which Kubernetes uses if nothing is set.
                "retryBackoff": 500,
                "defaultAllow": webhook.default_allow,
            }
        },
    }
