"""Asks all machines of a stack at the same time."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from tools.common.answer import NoAnswerError, answer
from tools.status.machine import Machine, parse

LIMIT_SECONDS = 30
"""The longest time that a machine may take. A health check of a unit may take 2 s."""
_AT_ONCE = 16
_ATTEMPTS = 3
"""podman's `exec` sometimes loses the output of a short program on a busy host."""


def machines(commands: Mapping[str, str]) -> tuple[Machine, ...]:
    """The state of each machine. `commands` is the stack output `status`: command lines by the name of the node."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return tuple(pool.map(lambda entry: _ask(*entry), commands.items()))


def _ask(node: str, command: str) -> Machine:
    for _ in range(_ATTEMPTS):
        found = _ask_once(node, command)
        if found is not None:
            return found
    return Machine(node, silence="it printed nothing")


def _ask_once(node: str, command: str) -> Machine | None:
    """The state, or None if the command succeeded and printed nothing."""
    try:
        text = answer(shlex.split(command), LIMIT_SECONDS)
    except NoAnswerError as error:
        return Machine(node, silence=str(error))
    if not text:
        return None
    try:
        return parse(node, text)
    except ValueError as error:
        return Machine(node, silence=str(error))
