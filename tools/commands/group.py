"""The group that has all commands, and what several commands have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tools.common.paths import this_clone

if TYPE_CHECKING:
    from tools.operate.stack import Stack

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
for_stack = click.option("--stack", default="dev", show_default=True, metavar="NAME", help="The stack.")
"""The option of a command that is about one stack."""


@click.group(
    context_settings={"max_content_width": 120},
    epilog="`python3 -m tools.prepare COMMAND` makes the virtual environment first; it also has: venv, clean-cache.",
)
def commands() -> None:
    """Build what a stack needs, and operate stacks."""


def for_pulumi(function: Callable[..., Any]) -> click.Command:
    """Make a command for one stack. The command passes unknown arguments to Pulumi."""
    function = click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGUMENTS FOR PULUMI]...")(
        function
    )
    return commands.command(context_settings={"ignore_unknown_options": True})(for_stack(function))


def stack_of(name: str) -> Stack:
    """The stack of this clone with this name."""
    from tools.operate.stack import Stack

    return Stack(this_clone(), name)
