"""Refuses to remove a stack while it has protected resources.

Pulumi alone would remove every other resource first, such as workers and the password of the snapshots, and fail at the
end.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from components.resource_names import name_of
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
