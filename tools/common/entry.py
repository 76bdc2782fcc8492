"""Runs a command line. An error that a user can correct is one sentence without a traceback."""

import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from tools.common.errors import ToolError


def run(main: Callable[[list[str]], int]) -> NoReturn:
    """Run a command line and exit with its exit code. SIGTERM has the same effect as Ctrl-C."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        sys.exit(main(sys.argv[1:]))
    except ToolError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; finished work is kept")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
