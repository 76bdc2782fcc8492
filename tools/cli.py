"""The command line: `python -m tools`. The commands are in tools/commands."""

from __future__ import annotations

import click

from tools.commands import change, look, prepare  # noqa: F401  each module adds its commands to the group
from tools.commands.group import commands

THEN = "then"


def main(arguments: list[str]) -> int:
    """Run a command, or build and then run another command (`build ... then COMMAND ...`). Return the exit code."""
    if arguments[:1] == ["build"] and THEN in arguments:
        here = arguments.index(THEN)
        return _run(arguments[:here]) or _run(arguments[here + 1 :])
    return _run(arguments)


def _run(arguments: list[str]) -> int:
    try:
        return commands.main(arguments, prog_name="python -m tools", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None
