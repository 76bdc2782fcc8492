"""Options that every object in the cluster gets."""

from __future__ import annotations

import pulumi


def child_of(component: pulumi.Resource, opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions:
    """Options of a component's children: they wait for what it waits for, and go with what it is deleted with.

    The engine hands on providers by itself, but not these. What is deleted with something else goes without asking an
    API server that may be dead already.
    """
    if opts is None:
        return pulumi.ResourceOptions(parent=component)
    return pulumi.ResourceOptions(parent=component, deleted_with=opts.deleted_with, depends_on=opts.depends_on)
