"""Options that every object in the cluster gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import pulumi

FIELD_MANAGER = "hardway"
"""The field manager of the program's objects (server-side apply)."""


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
