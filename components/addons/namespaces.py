"""The namespaces of people, with what limits them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.addons.isolation import GUARD, guard_spec, policy_spec
from components.config.access import Access
from components.config.namespaces import ENFORCE, LIMITED_BY, MANAGED_BY, Namespace
from components.denying_policy import make_denying_policy

# The page decides what limits people, also if somebody has changed the object by hand.
_FORCE = {"pulumi.com/patchForce": "true"}
_FORCED = {"annotations": _FORCE}


def namespace_labels(namespace: Namespace | None) -> dict[str, str]:
    """The labels of a namespace. None: it is on no line of `access.namespaces`."""
    return MANAGED_BY | ({ENFORCE: namespace.pod_security} if namespace else {})


def limit_items(namespace: Namespace) -> list[dict[str, Any]]:
    """`spec.limits` of the LimitRange of a namespace. Empty if the page has no limits for it."""
    return [{"type": "Container", **namespace.limits.given()}] if namespace.limits else []


def make_namespaces(access: Access, opts: pulumi.ResourceOptions) -> dict[str, list[pulumi.Resource]]:
    """All namespaces that the page names, by name: each with all that has to exist before somebody may work there.

    A namespace outlives its line on the page, because people keep workloads and data there: decision record 76.
    """
    listed: Mapping[str, Namespace] = {one.name: one for one in access.namespaces}
    isolated = any(one.network == "isolated" for one in access.namespaces)
    guards = [make_denying_policy(GUARD, GUARD, guard_spec(), opts)] if isolated else []
    return {name: _make(name, listed.get(name), guards, opts) for name in access.namespace_names()}


def _annotations(settings: Namespace | None) -> dict[str, str]:
    return settings.annotations() if settings else {}


def _make(
    name: str, settings: Namespace | None, guards: list[pulumi.Resource], opts: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    namespace = k8s.core.v1.Namespace(
        f"namespace-{name}",
        metadata={"name": name, "labels": namespace_labels(settings), "annotations": _FORCE | _annotations(settings)},
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(retain_on_delete=True)),
    )
    limits: list[pulumi.Resource] = []
    # The name as text, so that a preview shows it before there is an API to ask.
    metadata = {"name": LIMITED_BY, "namespace": name, **_FORCED}
    opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[namespace]))
    if settings and settings.quota:
        limits.append(
            k8s.core.v1.ResourceQuota(
                f"quota-{name}", metadata=metadata, spec={"hard": dict(settings.quota)}, opts=opts
            )
        )
    if settings and (items := limit_items(settings)):
        limits.append(k8s.core.v1.LimitRange(f"limits-{name}", metadata=metadata, spec={"limits": items}, opts=opts))
    if settings and settings.network == "isolated":
        limits += guards
        limits.append(
            k8s.networking.v1.NetworkPolicy(f"network-{name}", metadata=metadata, spec=policy_spec(), opts=opts)
        )
    return [namespace, *limits]
