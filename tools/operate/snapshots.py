"""Takes a snapshot of etcd now, and lists the snapshots: `make backup`, `make backups`."""

from __future__ import annotations

import gzip
import shlex
import subprocess
from collections.abc import Mapping

from tools.common.errors import ToolError
from tools.common.progress import say
from tools.operate.stack import Stack

PLACE_TAKES_NOTHING = 73
"""The exit status of backup.sh if the place answers and takes nothing. Another member would try for a minute, too."""


def take(stack: Stack) -> int:
    """Take a snapshot of etcd, and then bring the state of Pulumi to the same place if the state lies in this clone.

    A backend that several people share has a backup of its own. Raises ToolError if the stack takes no snapshots, or if
    no member can do one of the two.
    """
    commands = _commands(stack)
    print(_first_answer(stack, commands["now"]), end="", flush=True)
    if not stack.keeps_state_here():
        return 0
    if "state" not in commands:
        raise ToolError(
            f"the state of Pulumi was not copied: an earlier version of the program made stack {stack.name} last: run "
            f"`make up STACK={stack.name}`"
        )
    # Secrets in it are encrypted with the passphrase of the stack. An archive without a time is the same each time.
    print(_first_answer(stack, commands["state"], gzip.compress(stack.exported().encode(), mtime=0)), end="")
    return 0


def show(stack: Stack) -> int:
    """Print the snapshots of etcd. Raises ToolError if the stack takes no snapshots, or if no member can list them."""
    print(_first_answer(stack, _commands(stack)["list"]), end="")
    return 0


def _commands(stack: Stack) -> Mapping[str, Mapping[str, str]]:
    commands: Mapping[str, Mapping[str, str]] = stack.known_outputs().get("backup", {})
    if not commands:
        raise ToolError(f"stack {stack.name} takes no snapshots: add hardway:backup to the page, and run `make up`")
    return commands


def _first_answer(stack: Stack, commands: Mapping[str, str], stdin: bytes = b"") -> str:
    """What the command prints on the first member of etcd on which it succeeds."""
    for member, command in commands.items():
        done = subprocess.run(shlex.split(command), input=stdin, capture_output=True, check=False)
        out, problem = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        if done.returncode == 0:
            return out
        say(f"{member}: {problem.strip() or out.strip() or 'no answer'}")
        if done.returncode == PLACE_TAKES_NOTHING:
            break
    raise ToolError(f"no member of etcd of stack {stack.name} could do it")
