"""Options that every object in the cluster gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import cast

import pulumi

FIELD_MANAGER = "hardway"
"""The field manager of the program's objects (server-side apply)."""

OWN_LIMIT = timedelta(minutes=10)
"""How long the Kubernetes provider waits for an object by itself (`await.go` and `deployment.go` of its pkg/await)."""
_Transformation = Callable[[pulumi.ResourceTransformationArgs], "pulumi.ResourceTransformationResult | None"]


def child_of(component: pulumi.Resource, opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions:
    """Options of the children of a component: `depends_on` and `deleted_with` of the component.

    The engine passes providers to children by itself, but not these options. With `deleted_with`, an object is deleted
    together with the control plane, without a request to an API server that may be dead already.
    """
    if opts is None:
        return pulumi.ResourceOptions(parent=component)
    return pulumi.ResourceOptions(parent=component, deleted_with=opts.deleted_with, depends_on=opts.depends_on)


def pod_metadata(labels: Mapping[str, str], annotations: Mapping[str, str]) -> dict[str, object]:
    """The metadata of a pod template."""
    return {"labels": dict(labels), **({"annotations": dict(annotations)} if annotations else {})}


def timeouts(limit: timedelta) -> pulumi.CustomTimeouts:
    """The time that the provider waits until an object that was made or changed is ready."""
    seconds = f"{int(limit.total_seconds())}s"
    return pulumi.CustomTimeouts(create=seconds, update=seconds)


def waiting(limit: timedelta) -> _Transformation:
    """Let the provider wait for each object of the cluster until this limit, if that is longer than its own limit.

    Pods of a slow machine need as much patience as its programs. An object with a limit of its own keeps that limit.
    """

    def transform(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if not args.type_.startswith("kubernetes:") or args.opts.custom_timeouts or limit <= OWN_LIMIT:
            return None
        patient = pulumi.ResourceOptions(custom_timeouts=timeouts(limit))
        return pulumi.ResourceTransformationResult(args.props, pulumi.ResourceOptions.merge(args.opts, patient))

    return transform


def owned(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
    """Set the field manager of an object of the cluster.

    Without this, the provider makes up a name for each object and keeps it in the state. If a run is killed before the
    name is recorded, then the next run adopts the object under another name, and fails at the first field that it has
    to change, because the lost name still owns the field.
    """
    if not args.type_.startswith("kubernetes:"):
        return None
    # The program passes mappings for every object.
    metadata = cast("pulumi.Inputs", args.props["metadata"])
    given = cast("pulumi.Inputs", metadata.get("annotations", {}))
    annotations = {"pulumi.com/patchFieldManager": FIELD_MANAGER, **given}
    return pulumi.ResourceTransformationResult(
        {**args.props, "metadata": {**metadata, "annotations": annotations}}, args.opts
    )
