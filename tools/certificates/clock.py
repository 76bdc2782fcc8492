"""The time that the tools compare certificates with. The policies use the same time."""

from __future__ import annotations

from datetime import datetime

from policies import clock
from tools.common.errors import ToolError


def now() -> datetime:
    """The current time in UTC, or the time in HARDWAY_NOW (policies/clock.py).

    Raises ToolError if HARDWAY_NOW is not a time.
    """
    try:
        return clock.now()
    except ValueError as error:
        raise ToolError(str(error)) from None
