"""`hardway:access.namespaces`: namespaces of people, with what limits them.

Names of resources are those of ResourceQuota and LimitRange:
https://kubernetes.io/docs/concepts/policy/resource-quotas/ and https://kubernetes.io/docs/concepts/policy/limit-range/.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field

from components.config.names import is_domain, label_rule
from components.config.nodes import LabelValue
from components.config.quantities import Cpu, Memory, Quantity
from components.config.scheduling import SelectorKey, Tolerations, selector_annotations
from components.config.section import Choice, Rule, Section

ENFORCE = "pod-security.kubernetes.io/enforce"
"""The label with the level of Pod Security: https://kubernetes.io/docs/concepts/security/pod-security-admission/."""
ENFORCE_VERSION = f"{ENFORCE}-version"
"""The label with the version of the level. Without it, the version is that of the API servers."""
MANAGED_BY = {"app.kubernetes.io/managed-by": "hardway"}
"""The label of namespaces that are or were on the page."""
LIMITED_BY = "hardway"
"""The name of the ResourceQuota and of the LimitRange in a namespace."""
_NAMESPACE_LABEL = label_rule("namespace")
# IsStandardQuotaResourceName in k8s.io/kubernetes/pkg/apis/core/helper, versions 1.36.4 and 1.37.1.
COUNTED = (
    *("pods", "services", "services.loadbalancers", "services.nodeports", "configmaps", "secrets"),
    *("persistentvolumeclaims", "replicationcontrollers", "resourcequotas"),
)
"""Resources of a quota that count objects."""
MEASURED = (
    *("cpu", "memory", "ephemeral-storage"),
    *("requests.cpu", "requests.memory", "requests.storage", "requests.ephemeral-storage"),
    *("limits.cpu", "limits.memory", "limits.ephemeral-storage"),
)
"""Resources of a quota that are measured in CPUs or bytes."""
_HUGE_PAGES = re.compile(r"(requests\.)?hugepages-[0-9]+[KMG]i")
_PART = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_QUOTA_ALLOWED = (
    f"{', '.join((*MEASURED, *COUNTED))}, count/RESOURCE.GROUP, requests.DOMAIN/NAME, "
    "CLASS.storageclass.storage.k8s.io/RESOURCE"
)


def _namespace_problem(value: str) -> str | None:
    if _NAMESPACE_LABEL.check(value):
        return "is not a namespace"
    # "Namespaces" of the Kubernetes documentation reserves the prefix kube-.
    return "belongs to Kubernetes" if value == "default" or value.startswith("kube-") else None


def _quota_problem(value: str) -> str | None:
    if value in (*MEASURED, *COUNTED) or _HUGE_PAGES.fullmatch(value):
        return None
    domain, slash, name = value.partition("/")
    # An API server accepts any qualified name, and such a quota limits nothing if the name is wrong.
    known = domain == "count" or domain.startswith("requests.") or domain.endswith(".storageclass.storage.k8s.io")
    if slash and known and is_domain(domain) and _PART.fullmatch(name):
        return None
    return "is not a resource of a quota"


def is_counted(name: str) -> bool:
    """Whether a resource of a quota is a number of objects."""
    return name in COUNTED or name.startswith("count/")


NAMESPACE = Rule("namespace", "a DNS label of at most 63 characters, not default and not kube-*", _namespace_problem)
"""The name of a namespace that does not belong to Kubernetes."""
_QUOTA_RESOURCE = Rule("quota resource", _QUOTA_ALLOWED, _quota_problem)


class ContainerResources(Section):
    """Amounts of one container."""

    cpu: Cpu | None = None
    """CPUs."""
    memory: Memory | None = None
    """Memory in bytes."""

    def given(self) -> dict[str, str]:
        """The amounts that are set, by resource."""
        return {name: value for name in ("cpu", "memory") if (value := getattr(self, name)) is not None}


class ContainerLimits(Section):
    """The LimitRange of a namespace for its containers, with the names of Kubernetes."""

    default: ContainerResources = ContainerResources()
    """The limit of a container that has none."""
    default_request: ContainerResources = ContainerResources()
    """The request of a container that has neither a request nor a limit."""
    max: ContainerResources = ContainerResources()
    """The largest limit of a container, and the default limit if `default` is unset."""
    min: ContainerResources = ContainerResources()
    """The smallest request of a container."""

    def given(self) -> dict[str, dict[str, str]]:
        """The amounts that are set, by the field of LimitRangeItem and the resource."""
        values = {
            "default": self.default.given(),
            "defaultRequest": self.default_request.given(),
            "max": self.max.given(),
            "min": self.min.given(),
        }
        return {name: amounts for name, amounts in values.items() if amounts}


class Namespace(Section):
    """A namespace of people. The program makes it, or adopts it, and never deletes it."""

    name: Annotated[str, NAMESPACE]
    """The name. Each name once."""
    pod_security: Annotated[Literal["restricted", "baseline", "privileged"], Choice()] = "restricted"
    """The level of Pod Security Standards that pods have to meet. `privileged` gives root on nodes to everybody who may
    make pods in the namespace. A namespace that is not on this list has `baseline`."""
    quota: dict[Annotated[str, _QUOTA_RESOURCE], Quantity] = Field(default_factory=dict)
    """`hard` of a ResourceQuota: what all objects of the namespace together may use. If a quota names `requests.cpu`,
    `limits.cpu` or the same of memory, then a pod without such an amount is refused, unless `limits` has a default."""
    limits: ContainerLimits | None = None
    """A LimitRange: defaults and bounds of each container."""
    node_selector: dict[SelectorKey, LabelValue] = Field(default_factory=dict)
    """Labels of the nodes on which the pods of the namespace run. A new pod gets this selector, and a pod with another
    value for one of the keys is refused (the plugin PodNodeSelector)."""
    tolerations: Tolerations | None = None
    """The taints that pods of the namespace tolerate, and may tolerate (the plugin PodTolerationRestriction). Unset: a
    pod may tolerate every taint."""

    def annotations(self) -> dict[str, str]:
        """The annotations of the namespace that plugins of admission read."""
        own = self.tolerations.annotations() if self.tolerations else {}
        return selector_annotations(self.node_selector) | own
