"""Refuses to remove a stack, or to replace machines, as long as they are protected.

Pulumi alone would remove every other resource first, such as workers and the password of the snapshots, and fail at the
end. It would fail at a protected machine after its node was drained, or after a restore has begun.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from components.resource_names import NodeResource, name_of
from tools.common.errors import ToolError

# With one of these, somebody has chosen what Pulumi removes.
_CHOICES = ("--target", "-t", "--exclude", "--exclude-protected")
_SHOWN = 8


def refuse(stack: str, state: Mapping[str, Any], arguments: Sequence[str]) -> None:
    """Raise ToolError if `destroy` with these arguments would meet a resource with the option `protect`."""
    if any(argument.partition("=")[0] in _CHOICES for argument in arguments):
        return
    names = sorted({name_of(resource["urn"]) for resource in state.get("resources") or [] if resource.get("protect")})
    if not names:
        return
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    raise ToolError(
        f"stack {stack} has protected resources, so nothing was removed: {', '.join(names[:_SHOWN])}{more}. If they "
        "may be lost, set hardway:cluster.protect to false on the page (in AWS also hardway:machines.protected, and "
        "hardway:backup.to.create.protected for the bucket of snapshots), run "
        f"`make up STACK={stack}`, and then this command again. If `make up` cannot succeed any more, then run "
        f'`eval "$(make -s env STACK={stack})"` and `pulumi state unprotect --all --stack {stack}` instead: '
        "docs/operations.md#destroy"
    )


def refuse_replacement(machines: object, state: Mapping[str, Any], urns: Collection[str]) -> None:
    """Raise ToolError if `up` would not replace the machines with these URNs, because they are protected.

    `machines` is this section of the page: Pulumi replaces what the page does not protect any more.
    """
    if isinstance(machines, dict) and machines.get("protected") is False:
        return
    protected = [resource["urn"] for resource in state["resources"] if resource.get("protect")]
    names = sorted(NodeResource.MACHINE.node_in(name_of(urn)) for urn in urns if urn in protected)
    if names:
        raise ToolError(
            f"protected machines, so nothing was changed: {', '.join(names)}. If they may be made anew, set "
            "hardway:machines.protected to false on the page, and run this command again. Afterwards set the key to "
            "true, and run `make up`"
        )
