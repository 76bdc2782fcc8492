"""Judges an `up` before it begins: a preview with the policies, which stops the run if a mandatory rule is violated.

A run that is judged costs a preview. A run that changes nothing must not cost two runs, so the preview takes the place
of the `up` if both of these are true: the preview finds no change, and the program, the page and the state are byte by
byte those that the last complete `up` has left. The second condition is needed because a preview does not show
everything that `up` writes: the option `protect`, dependencies, and outputs of the stack.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from tools.common.progress import say
from tools.common.store import write_atomically

if TYPE_CHECKING:
    from tools.operate.stack import Stack

_PACK, _LIMITS = "--policy-pack", "--policy-pack-config"
_PROGRAM = ("__main__.py", "Pulumi.yaml", "requirements.txt", "components/**/*")
_SETTLED = "settled"
"""The file in the folder of a stack with the fingerprint of what the last complete `up` has left."""


class Verdict(Enum):
    """What a run may do: go on, end as a success because nothing changes, or stop."""

    GO = "go"
    NOTHING_CHANGES = "nothing changes"
    REFUSED = "refused"


def judge(stack: "Stack", arguments: Sequence[str]) -> Verdict:
    """Previews a run with the policies that `arguments` name. Says so if the arguments name no policies.

    The preview prints findings and errors to the terminal. It changes nothing and takes no lock.
    """
    if not any(_is_option(argument, _PACK) for argument in arguments):
        say(f"no policy judges this run of stack {stack.name}, because POLICIES is empty")
        return Verdict.GO
    events = stack.judged_events
    try:
        code = stack.plan(events, arguments)
        if code != 0:
            say(f"stack {stack.name}: the plan was refused or could not be made, so nothing was changed")
            return Verdict.REFUSED
        # Other arguments, for example --refresh or --replace, ask for more than a preview shows.
        plain = not [*_without_policies(arguments)]
        if plain and is_settled(stack) and changes_nothing(events.read_text()):
            return Verdict.NOTHING_CHANGES
        return Verdict.GO
    finally:
        events.unlink(missing_ok=True)


def changes_nothing(events: str) -> bool:
    """Whether a preview ended and keeps every resource as it is. `events` is the text of its event log.

    False if the log is incomplete or has another form.
    """
    summaries = []
    for line in events.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            return False
        if isinstance(event, dict) and "summaryEvent" in event:
            summaries.append(event["summaryEvent"])
    if len(summaries) != 1:
        return False
    changes = summaries[0].get("resourceChanges")
    return isinstance(changes, dict) and set(changes) == {"same"}


def settle(stack: "Stack") -> None:
    """Records that an `up` of the program and the page as they are now is complete."""
    if (found := _fingerprint(stack)) is not None:
        write_atomically(_settled(stack), found, 0o600)


def is_settled(stack: "Stack") -> bool:
    """Whether program, page and state are as the last complete `up` of this clone has left them.

    Always False if the state is not in this clone: others may have changed that state.
    """
    found, path = _fingerprint(stack), _settled(stack)
    return found is not None and path.is_file() and path.read_text() == found


def _settled(stack: "Stack") -> Path:
    return stack.clone.state / stack.name / _SETTLED


def _fingerprint(stack: "Stack") -> str | None:
    """SHA-256 of program, page and state. None if there is not exactly one state, or if a run left it unfinished."""
    states = stack.state_files()
    if not stack.keeps_state_here() or len(states) != 1:
        return None
    state = states[0].read_bytes()
    # The next run has to continue operations, and to delete what a replacement has left.
    if b'"pending_operations"' in state or b'"delete": true' in state or b'"delete":true' in state:
        return None
    root = stack.clone.root
    program = [path for pattern in _PROGRAM for path in root.glob(pattern) if path.is_file()]
    kept = sorted(path for path in program if "__pycache__" not in path.parts)
    digest = hashlib.sha256()
    for path in (*kept, stack.clone.page(stack.name)):
        digest.update(f"{path.relative_to(root)}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    digest.update(hashlib.sha256(state).digest())
    return digest.hexdigest()


def _is_option(argument: str, *names: str) -> bool:
    return argument.partition("=")[0] in names


def _without_policies(arguments: Iterable[str]) -> Iterable[str]:
    """The arguments without the options that name policies and their settings."""
    rest = iter(arguments)
    for argument in rest:
        if not _is_option(argument, _PACK, _LIMITS):
            yield argument
        elif "=" not in argument:
            next(rest, None)
