"""Two habits of Pulumi's Python SDK that take a third of the time of a run that changes nothing.

Both are put right from outside, for the version that requirements.txt pins; where the SDK is another one by then and
has no such place any more, nothing happens.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pulumi
import pulumi.runtime.stack

SHOW = "HARDWAY_SDK_DEBUG"
"""Set to anything, the SDK's debug messages are sent, and `pulumi up --debug` shows them."""


def lighten() -> None:
    """Do without debug messages that nobody has asked for, and wait for outputs in one go."""
    if not os.environ.get(SHOW):
        pulumi.log.debug = _say_nothing
    if getattr(pulumi.runtime.stack, "asyncio", None) is asyncio:
        pulumi.runtime.stack.asyncio = SimpleNamespace(**vars(asyncio) | {"wait": _wait})  # type: ignore[assignment]


def _say_nothing(*_: object, **__: object) -> None:
    """Instead of a call over gRPC that the whole program waits for, four times for each resource.

    Warnings and errors are said as ever.
    """


async def _wait(tasks: Iterable[asyncio.Future[Any]], **_: object) -> tuple[set[Any], set[Any]]:
    """Wait until all tasks are done or one has failed; the SDK wakes up for each that is done.

    It then looks at all others again, which are thousands: the time grows with the square of a program's size. What it
    wakes up for is to pass a failure on at once, and that is kept.
    """
    return await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
