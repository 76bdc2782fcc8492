"""What the next `up` would do to the stack, in one sentence."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.report.read import read
from tools.report.render import facts

if TYPE_CHECKING:
    from tools.operate.stack import Stack


@dataclass(frozen=True)
class Plan:
    """What `up` would change, empty if it would change nothing. If `failure` is not empty, the preview failed."""

    changes: tuple[str, ...] = ()
    failure: str = ""


def ask(stack: Stack) -> Plan:
    """Run a preview in a process of its own, because its output is not wanted here."""
    # If this preview does not begin, then nobody may read an earlier one.
    stack.preview_events.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tools", "preview", "--stack", stack.name]
    done = subprocess.run(
        command, cwd=stack.clone.root, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if stack.preview_events.exists():
        preview = read(stack.preview_events.read_text())
        if preview.ended:
            return Plan(tuple(facts(preview)))
        if preview.errors:
            return Plan(failure=preview.errors[0].splitlines()[0])
    said = [line for line in done.stderr.splitlines() if line.strip()]
    return Plan(failure=said[-1] if said else f"exit code {done.returncode}")
