"""Options that every object in the cluster gets."""

from __future__ import annotations

import pulumi

FIELD_MANAGER = "hardway"
"""Who owns the fields of our objects, as server-side apply sees it."""


def child_of(component: pulumi.Resource, opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions:
    """Options of a component's children: they wait for what it waits for, and go with what it is deleted with.

    The engine hands on providers by itself, but not these. What is deleted with something else goes without asking an
    API server that may be dead already.
    """
    if opts is None:
        return pulumi.ResourceOptions(parent=component)
    return pulumi.ResourceOptions(parent=component, deleted_with=opts.deleted_with, depends_on=opts.depends_on)


def owned(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
    """Give an object of the cluster its owner's name.

    The provider would invent one for each object and keep it in the state. When a run is killed before that is
    recorded, the next one takes the object over under another name, and fails at the first field that it has to
    change: the lost name still owns it.
    """
    if not args.type_.startswith("kubernetes:"):
        return None
    metadata = args.props["metadata"]
    annotations = {"pulumi.com/patchFieldManager": FIELD_MANAGER} | metadata.get("annotations", {})
    return pulumi.ResourceTransformationResult(
        args.props | {"metadata": metadata | {"annotations": annotations}}, args.opts
    )
