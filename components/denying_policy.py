"""Admission policies of the cluster that refuse requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as k8s


def make_denying_policy(
    resource: str, name: str, spec: Mapping[str, Any], opts: pulumi.ResourceOptions
) -> pulumi.Resource:
    """A ValidatingAdmissionPolicy `name` and its binding, which is returned. A request that violates it is refused.

    `resource` is the logical name of the policy, and the beginning of that of the binding.
    """
    policy = k8s.admissionregistration.v1.ValidatingAdmissionPolicy(
        resource, metadata={"name": name}, spec=spec, opts=opts
    )
    binding: pulumi.Resource = k8s.admissionregistration.v1.ValidatingAdmissionPolicyBinding(
        f"{resource}-binding",
        metadata={"name": name},
        spec={"policy_name": policy.metadata.name, "validation_actions": ["Deny"]},
        opts=opts,
    )
    return binding
