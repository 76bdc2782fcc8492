"""Runs Pulumi's command line for a stack: in the foreground, or to ask something."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from tools.common.paths import Clone
from tools.operate import locks
from tools.operate.envsh import environment
from tools.operate.foreground import interrupts_left_to_child, temporary_folder

GOGC = "300"
"""For the engine and its plugins, which run for seconds, and would spend a tenth of that time on garbage collection."""


class Show(Enum):
    """What is shown of a run."""

    PLAN = "plan"
    """How many resources a preview has found so far."""
    PROGRESS = "progress"
    """What is done, and what a run waits for."""


@dataclass(frozen=True)
class Pulumi:
    """Pulumi with the environment of one stack of a clone."""

    clone: Clone
    stack: str

    @property
    def folder(self) -> Path:
        """The folder of the stack."""
        return self.clone.state / self.stack

    def ask(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Runs a command whose output the caller reads."""
        return subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.clone.root,
            env=environment(self.clone, self.stack, os.environ),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    def run(self, *arguments: str, **variables: str) -> int:
        """Runs a command in the foreground. Ctrl-C reaches Pulumi directly, and Pulumi ends in order."""
        return self._run(arguments, variables)

    def run_shown(self, show: Show, events: Path, *arguments: str, **variables: str) -> int:
        """Runs a command that writes the event log `events`, and prints what a person needs of it.

        All that Pulumi prints is in a file beside the log. Raises ToolError if HARDWAY_SHOW has a value that is not
        allowed.
        """
        from tools.operate.display import follow

        way = follow.way(arguments)
        variables = {"PULUMI_DEBUG_COMMANDS": "true"} | variables
        if "--event-log" not in arguments:
            arguments = (*arguments, "--event-log", str(events))
        if way is follow.Way.ALL:
            return self._run(arguments, variables)
        shown = follow.plan() if show is Show.PLAN else follow.progress(way is follow.Way.QUIET)
        with follow.following(events, events.with_suffix(".log"), shown) as output:
            return self._run(arguments, variables, output.fileno())

    def _run(self, arguments: Sequence[str], variables: dict[str, str], stdout: int | None = None) -> int:
        locks.release_dead(self.clone.state)
        with temporary_folder(self.folder) as temporary, interrupts_left_to_child():
            env = environment(self.clone, self.stack, os.environ) | {"TMPDIR": str(temporary)} | variables
            env.setdefault("GOGC", GOGC)
            # With this variable, Python would compile the program again in every run.
            env.pop("PYTHONDONTWRITEBYTECODE", None)
            command = ["pulumi", *arguments]
            return subprocess.run(command, cwd=self.clone.root, env=env, check=False, stdout=stdout).returncode
