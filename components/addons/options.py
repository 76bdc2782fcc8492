"""Options that every object in the cluster gets."""

from __future__ import annotations

import pulumi


def child_of(component: pulumi.Resource, opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions:
    """Options of a component's children: they go without asking the API when what the component is deleted with goes.

    The engine hands on providers by itself, but not this; without it `destroy` would have to ask an API server that
    may be dead already.
    """
    return pulumi.ResourceOptions(parent=component, deleted_with=opts.deleted_with if opts else None)
