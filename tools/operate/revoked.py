"""Says how the program gets its rights in the API back, after an `up` that failed without them."""

from __future__ import annotations

from components.pki.leaves import DEPLOYER_BINDING, DEPLOYER_USER
from components.resource_names import GRANT
from tools.operate.failures import errors

_REFUSED = f'User "{DEPLOYER_USER}" cannot '


def sentences(events: str, stack: str) -> list[str]:
    """One sentence if the API refused the program, else none. `events` is the text of the event log of a run."""
    if not any(_REFUSED in message for _, message in errors(events)):
        return []
    return [
        f"the API refuses the program: somebody deleted or changed the ClusterRoleBinding {DEPLOYER_BINDING}. "
        f"If the program should have its rights again: {grant_again(stack)}"
    ]


def grant_again(stack: str) -> str:
    """The command that gives the program its rights again."""
    return f"make up STACK={stack} ARGS=\"--replace '**::{GRANT}'\""
