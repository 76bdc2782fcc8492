"""`hardway:admission`: which plugins of admission are on besides those that always are.

The names are those of https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/.
`AllOrderedPlugins` and `DefaultOffAdmissionPlugins` in k8s.io/kubernetes/pkg/kubeapiserver/options (1.36.4 and 1.37.1)
have the lists.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from components.config.durations import between_rule
from components.config.existing import Flag
from components.config.section import Rule, Section
from components.config.webhook import Webhook

ALWAYS_ON = ("NodeRestriction", "DenyServiceExternalIPs", "EventRateLimit")
"""Off by default in Kubernetes, and always on here. A Service with `externalIPs` may capture the traffic to any
address, also that of a node (CVE-2020-8554)."""
CAN_BE_ON = (
    "AlwaysPullImages",
    "ExtendedResourceToleration",
    "LimitPodHardAntiAffinityTopology",
    "OwnerReferencesPermissionEnforcement",
)
"""Off by default, and without a configuration."""
CAN_BE_OFF = ("DefaultIngressClass", "DefaultStorageClass", "DefaultTolerationSeconds")
"""On by default. They fill in what an object leaves open, and protect nothing."""
POD_NODE_SELECTOR, POD_TOLERATION_RESTRICTION = "PodNodeSelector", "PodTolerationRestriction"
IMAGE_POLICY_WEBHOOK = "ImagePolicyWebhook"
REFUSED_ON = {
    POD_NODE_SELECTOR: "does nothing without a selector: access.namespaces[].nodeSelector turns it on",
    POD_TOLERATION_RESTRICTION: "does nothing without a list: access.namespaces[].tolerations turns it on",
    IMAGE_POLICY_WEBHOOK: "needs a service: admission.imagePolicyWebhook turns it on",
    "AlwaysAdmit": "does nothing, and is deprecated",
    "AlwaysDeny": "refuses every request, also those of the cluster itself",
    "NamespaceAutoProvision": "makes namespaces that have no quota, no limits and no level of Pod Security",
    "NamespaceExists": "does nothing beside NamespaceLifecycle, which is always on",
}
"""Off by default, with the reason why `enable` does not take them."""
GUARDS = {
    "NodeRestriction": "keeps a node from changing other nodes",
    "DenyServiceExternalIPs": "keeps Services from taking addresses of others",
    "EventRateLimit": "keeps events from filling etcd",
    "PodSecurity": "keeps pods from being root on nodes",
    "ServiceAccount": "gives pods their identity",
    "LimitRanger": "enforces access.namespaces[].limits",
    "ResourceQuota": "enforces access.namespaces[].quota",
    "NamespaceLifecycle": "keeps objects out of namespaces that end",
    "CertificateApproval": "limits who approves certificates",
    "CertificateSigning": "limits who signs certificates",
    "CertificateSubjectRestriction": "keeps requests for system:masters out",
    "ClusterTrustBundleAttest": "limits who publishes trust bundles",
    "MutatingAdmissionPolicy": "enforces policies of the cluster",
    "ValidatingAdmissionPolicy": "enforces policies of the cluster",
    "MutatingAdmissionWebhook": "enforces policies of the cluster",
    "ValidatingAdmissionWebhook": "enforces policies of the cluster",
    "Priority": "keeps the cluster's own pods running",
    "TaintNodesByCondition": "keeps pods from nodes that are not ready",
    "RuntimeClass": "counts what a runtime needs",
    "StorageObjectInUseProtection": "keeps volumes that are in use",
    "PersistentVolumeClaimResize": "checks that a volume can grow",
    "JobValidation": "checks Jobs",
    "PodGroupWorkloadExists": "checks groups of pods",
    "PodGroupProtection": "keeps groups of pods that are in use",
    "PodTopologyLabels": "keeps labels of pods true",
    "NodeDeclaredFeatureValidator": "keeps pods from nodes that cannot run them",
    "PodResizeValidator": "keeps pods from nodes that cannot resize them",
}
"""On, with the reason why they stay on."""


def _on_problem(value: str) -> str | None:
    if value in CAN_BE_ON:
        return None
    if value in REFUSED_ON:
        return REFUSED_ON[value]
    return "is on anyway" if value in (*GUARDS, *CAN_BE_OFF) else "is not a plugin of admission"


def _off_problem(value: str) -> str | None:
    if value in CAN_BE_OFF:
        return None
    if value in GUARDS:
        return f"{GUARDS[value]}, and stays on"
    return "is off by default" if value in (*CAN_BE_ON, *REFUSED_ON) else "is not a plugin of admission"


_ON = Rule("plugin", ", ".join(CAN_BE_ON), _on_problem)
_OFF = Rule("plugin", ", ".join(CAN_BE_OFF), _off_problem)
# normalizeWebhookConfig in k8s.io/kubernetes/plugin/pkg/admission/imagepolicy.
_TTL = between_rule("1s", "30m")


class ImagePolicyWebhook(Webhook):
    """A service that allows or refuses the images of each new pod (ImageReview, imagepolicy.k8s.io/v1alpha1)."""

    allow_ttl: Annotated[timedelta, _TTL] = timedelta(minutes=5)
    """How long API servers keep an answer that allows."""
    deny_ttl: Annotated[timedelta, _TTL] = timedelta(seconds=30)
    """How long API servers keep an answer that refuses."""
    default_allow: Flag = False
    """Whether pods are allowed while the service does not answer. If not, then no pod starts meanwhile, and none of the
    cluster itself: there is no exception for a namespace."""


class Admission(Section):
    """Plugins of admission of the API servers: docs/admission.md."""

    enable: tuple[Annotated[str, _ON], ...] = ()
    """Plugins that are off by default."""
    disable: tuple[Annotated[str, _OFF], ...] = ()
    """Plugins that are on by default. What protects the cluster or its people stays on."""
    image_policy_webhook: ImagePolicyWebhook | None = None
    """A service that judges images. Unset: none is asked."""
