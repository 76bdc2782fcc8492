"""Says before a first run that the state of a large cluster takes most of the time of the run."""

from __future__ import annotations

from collections.abc import Mapping

MANY_NODES = 50
"""A first run of 53 nodes spent five minutes with the state, whatever the machines did: docs/scale.md."""
_ON = ("1", "t", "true")
_WRITTEN_ONCE = ("PULUMI_EXPERIMENTAL", "PULUMI_SKIP_CHECKPOINTS")


def advice(stack: str, nodes: int, environment: Mapping[str, str]) -> str | None:
    """What to do about the state of a new stack with this many nodes. None if nothing has to be done.

    `environment` is what Pulumi gets. A backend that is a service takes what has changed, and not the whole state.
    """
    service = environment.get("PULUMI_BACKEND_URL", "").startswith(("https://", "http://"))
    if nodes <= MANY_NODES or service or all(environment.get(name, "").lower() in _ON for name in _WRITTEN_ONCE):
        return None
    return (
        f"stack {stack} is new and has {nodes} nodes: Pulumi writes the state of all of them into a file before and "
        "after each operation, which takes minutes for 50 nodes and hours for 500. docs/scale.md says how to avoid this"
    )
