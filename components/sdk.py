"""Patches functions of Pulumi's Python SDK that take a third of the time of a run that changes nothing.

For many nodes the search for cycles takes most of the time, and for more than some hundred nodes that change one by one
it ends with a RecursionError. The patches are for the version of the SDK that requirements.txt pins. If another
version has no such function, then nothing happens.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
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

_TRACE = "_get_stack_trace"
_DEPENDED_ON = "_hardway_depended_on"
"""The attribute of a resource on which another resource depends."""


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
    if {"_reachable", "_add_dep", "_deps", "_DEPENDENCIES_PROPERTY"} <= cycles.keys():
        cycles["_reachable"], cycles["_add_dep"] = _reachable, _add_dep


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


def _reachable(from_resource: pulumi.Resource, to_resource: pulumi.Resource) -> bool:
    """Whether a resource is another resource, or depends on it in any number of steps.

    The SDK asks for each dependency of each resource whether it closes a cycle. Its own function visits all that was
    declared before: for nodes that change one by one, the time grows with the square of their number. The function
    also calls itself for each step of a chain, and ends with a RecursionError. Here, a resource on which nothing
    depends yet is known to be unreachable, and that is nearly every resource of which dependencies are declared.
    """
    if from_resource is to_resource:
        return True
    if not hasattr(to_resource, _DEPENDED_ON):
        return False
    waiting, visited = [from_resource], {from_resource}
    while waiting:
        for found in pulumi.runtime.resource_cycle_breaker._deps(waiting.pop()):
            if found is to_resource:
                return True
            if found not in visited:
                visited.add(found)
                waiting.append(found)
    return False


def _add_dep(from_resource: pulumi.Resource, to_resource: pulumi.Resource) -> None:
    """Remember a dependency as the SDK does, without a copy of all earlier dependencies of the resource."""
    name = pulumi.runtime.resource_cycle_breaker._DEPENDENCIES_PROPERTY
    vars(from_resource).setdefault(name, set()).add(to_resource)
    vars(to_resource)[_DEPENDED_ON] = True
