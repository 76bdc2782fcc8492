"""Patches two functions of Pulumi's Python SDK that take a third of the time of a run that changes nothing.

The patches are for the version of the SDK that requirements.txt pins. If another version has no such function, then
nothing happens.
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
"""If this variable is set, then the SDK sends its debug messages, and `pulumi up --debug` shows them."""


def patch_sdk() -> None:
    """Send no debug messages unless they are requested, and wait for all outputs together."""
    if not os.environ.get(SHOW):
        pulumi.log.debug = _say_nothing
    # The module does not export the name, so its dictionary is changed.
    names = vars(pulumi.runtime.stack)
    if names.get("asyncio") is asyncio:
        names["asyncio"] = SimpleNamespace(**vars(asyncio) | {"wait": _wait})


def _say_nothing(*_: object, **__: object) -> None:
    """Replaces `pulumi.log.debug`: four gRPC calls for each resource, for which the whole program waits.

    Warnings and errors are sent as before.
    """


async def _wait(tasks: Iterable[asyncio.Future[Any]], **_: object) -> tuple[set[Any], set[Any]]:
    """Wait until all tasks are done or one task has failed.

    The SDK wakes up for each finished task, and then checks all other tasks again. There are thousands of tasks, so the
    time grows with the square of the program's size. The SDK does this to report a failure at once; so does this
    function.
    """
    return await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
