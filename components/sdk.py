"""Patches functions of Pulumi's Python SDK that take a third of the time of a run that changes nothing.

For many nodes the search for cycles takes most of the time, and for more than some hundred nodes that change one by one
it ends with a RecursionError. The patches are for the version of the SDK that requirements.txt pins. If another
version has no such function, then nothing happens.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pulumi
import pulumi.runtime.resource
import pulumi.runtime.resource_cycle_breaker
import pulumi.runtime.stack
from pulumi.runtime.proto import source_pb2

SHOW = "HARDWAY_SDK_DEBUG"
"""If this variable is set, then the SDK sends its debug messages, and `pulumi up --debug` shows them.

It also sends the stack trace of each resource, which the state keeps: a kilobyte for each resource. A line that moves
in a file of the program then changes the state of all resources behind this line.
"""

_REACHED, _TRACE = "_with_transitive_deps", "_get_stack_trace"


def patch_sdk() -> None:
    """Send no debug messages and no stack traces unless requested, wait for all outputs together, find cycles fast."""
    if not os.environ.get(SHOW):
        pulumi.log.debug = _say_nothing
        resources = vars(pulumi.runtime.resource)
        if _TRACE in resources:
            resources[_TRACE] = source_pb2.StackTrace
    # The module does not export the name, so its dictionary is changed.
    names = vars(pulumi.runtime.stack)
    if names.get("asyncio") is asyncio:
        names["asyncio"] = SimpleNamespace(**vars(asyncio) | {"wait": _wait})
    cycles = vars(pulumi.runtime.resource_cycle_breaker)
    if {_REACHED, "_deps"} <= cycles.keys():
        cycles[_REACHED] = _with_transitive_deps


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


def _with_transitive_deps(resource: pulumi.Resource, visited: set[pulumi.Resource]) -> Iterator[pulumi.Resource]:
    """Yield a resource and all that it depends on, each once, as the function of the SDK with this name does.

    The SDK asks for each dependency of each resource whether it closes a cycle. Its own function calls itself for each
    step of a chain of dependencies: the time for one step grows with the length of the chain, and the chain of nodes
    that change one by one is as long as the cluster is large.
    """
    waiting = [resource]
    while waiting:
        found = waiting.pop()
        if found not in visited:
            visited.add(found)
            yield found
            waiting.extend(pulumi.runtime.resource_cycle_breaker._deps(found))
