"""Takes a snapshot of etcd now, and lists the snapshots: `make backup`, `make backups`."""

from __future__ import annotations

import shlex
import subprocess

from tools.common.errors import ToolError
from tools.common.progress import say
from tools.operate.stack import Stack


def on_a_member(stack: Stack, what: str) -> int:
    """Run a command of the output `backup` on the first member of etcd on which it succeeds; print its output.

    `what` is now or list. Raises ToolError if the stack takes no snapshots, or if the command succeeds on no member.
    """
    commands: dict[str, str] = stack.known_outputs().get("backup", {}).get(what, {})
    if not commands:
        raise ToolError(f"stack {stack.name} takes no snapshots: add hardway:backup to the page, and run `make up`")
    for member, command in commands.items():
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)
        if done.returncode == 0:
            print(done.stdout, end="")
            return 0
        say(f"{member}: {done.stderr.strip() or done.stdout.strip() or 'no answer'}")
    raise ToolError(f"no member of etcd of stack {stack.name} could do it")
