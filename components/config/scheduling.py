"""What binds the pods of a namespace to nodes: the annotations that two plugins of admission read.

`NamespaceNodeSelectors` in k8s.io/kubernetes/plugin/pkg/admission/podnodeselector, `NSDefaultTolerations` and
`NSWLTolerations` in .../podtolerationrestriction, versions 1.36.4 and 1.37.1.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from components.config.nodes import LabelValue, is_qualified
from components.config.section import Choice, Rule, Section, listing, whole

NODE_SELECTOR = "scheduler.alpha.kubernetes.io/node-selector"
DEFAULT_TOLERATIONS = "scheduler.alpha.kubernetes.io/defaultTolerations"
ALLOWED_TOLERATIONS = "scheduler.alpha.kubernetes.io/tolerationsWhitelist"
ANNOTATIONS = (NODE_SELECTOR, DEFAULT_TOLERATIONS, ALLOWED_TOLERATIONS)
_KEY = "[prefix/]name, name of at most 63 letters, digits and - _ . with a letter or digit at both ends"
SelectorKey = Annotated[
    str, Rule("label key", _KEY, lambda value: None if is_qualified(value) else "is not a label key")
]
_OF_NODES = "node.kubernetes.io/"
# What Kubernetes adds to a pod before the list is checked: the plugins DefaultTolerationSeconds and
# PodTolerationRestriction itself, and AddOrUpdateDaemonPodTolerations in pkg/controller/daemon/util. A pod without
# them would be refused.
_OF_KUBERNETES = (
    *(("not-ready", "NoExecute"), ("unreachable", "NoExecute"), ("memory-pressure", "NoSchedule")),
    *(("disk-pressure", "NoSchedule"), ("pid-pressure", "NoSchedule"), ("unschedulable", "NoSchedule")),
    ("network-unavailable", "NoSchedule"),
)


class Toleration(Section):
    """A taint that pods tolerate, with the names of Kubernetes."""

    key: Annotated[str, Rule("taint key", _KEY, lambda value: None if is_qualified(value) else "is not a taint key")]
    """The key of the taint."""
    operator: Annotated[Literal["Equal", "Exists"], Choice()] = "Equal"
    """Whether the value has to be equal."""
    value: LabelValue | None = None
    """The value of the taint, with the operator `Equal`. Unset: the empty value."""
    effect: Annotated[Literal["NoSchedule", "PreferNoSchedule", "NoExecute"], Choice()] | None = None
    """The effect of the taint. Unset: each effect."""
    toleration_seconds: Annotated[int, whole("whole number", 0, 2**31 - 1, "s")] | None = None
    """How long a pod stays, with the effect `NoExecute`. Unset: as long as the taint is there."""

    def as_object(self) -> dict[str, Any]:
        """The toleration as in a pod."""
        return self.model_dump(by_alias=True, exclude_none=True)


class Tolerations(Section):
    """The taints that pods of a namespace tolerate."""

    default: tuple[Toleration, ...] = ()
    """What each new pod tolerates in addition to what the pod says."""
    allowed: Annotated[tuple[Toleration, ...], listing("a list")] = ()
    """What a pod may tolerate besides `default`, and besides the conditions of nodes, which Kubernetes adds itself. A
    pod that tolerates more is refused."""

    def annotations(self) -> dict[str, str]:
        """The annotations of the namespace."""
        default = [one.as_object() for one in self.default]
        allowed = [
            *default,
            *(one.as_object() for one in self.allowed),
            *({"key": f"{_OF_NODES}{name}", "operator": "Exists", "effect": effect} for name, effect in _OF_KUBERNETES),
        ]
        found = {ALLOWED_TOLERATIONS: json.dumps(allowed)}
        return found | ({DEFAULT_TOLERATIONS: json.dumps(default)} if default else {})


def selector_annotations(selector: dict[str, str]) -> dict[str, str]:
    """The annotation of the namespace for a node selector. Empty if there is no selector."""
    return {NODE_SELECTOR: ",".join(f"{key}={value}" for key, value in sorted(selector.items()))} if selector else {}
