"""The patches of Pulumi's SDK: other modules are not affected, and a failure is still reported at once."""

import asyncio
import itertools
from collections.abc import Iterable

import pulumi
import pulumi.runtime.resource_cycle_breaker as cycles
import pulumi.runtime.stack
import pytest
from pulumi.runtime import resource

from components import sdk


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi.log, "debug", pulumi.log.debug)
    monkeypatch.setattr(pulumi.runtime.stack, "asyncio", asyncio)
    for name in ("_reachable", "_add_dep"):
        monkeypatch.setattr(cycles, name, getattr(cycles, name))
    monkeypatch.setattr(resource, "_get_stack_trace", resource._get_stack_trace)


def test_only_the_loop_that_waits_for_outputs_waits_otherwise() -> None:
    before = asyncio.wait
    sdk.patch_sdk()
    assert pulumi.runtime.stack.asyncio.wait is not before
    assert asyncio.wait is before
    assert pulumi.runtime.stack.asyncio.sleep is asyncio.sleep


def test_debug_messages_are_sent_to_who_asks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    say, warn, trace = pulumi.log.debug, pulumi.log.warn, resource._get_stack_trace
    monkeypatch.setenv(sdk.SHOW, "1")
    sdk.patch_sdk()
    assert pulumi.log.debug is say and resource._get_stack_trace is trace
    monkeypatch.delenv(sdk.SHOW)
    sdk.patch_sdk()
    assert pulumi.log.debug is not say
    assert pulumi.log.warn is warn
    assert not resource._get_stack_trace().frames and resource._get_source_position(resource._get_stack_trace()) is None


def test_a_failure_does_not_wait_for_others() -> None:
    async def fail() -> None:
        raise ValueError

    async def run() -> tuple[int, int]:
        never = asyncio.ensure_future(asyncio.Event().wait())
        done, pending = await asyncio.wait_for(
            pulumi.runtime.stack.asyncio.wait(
                [never, asyncio.ensure_future(fail())], return_when=asyncio.FIRST_COMPLETED
            ),
            10,
        )
        never.cancel()
        assert all(isinstance(task.exception(), ValueError) for task in done)
        return len(done), len(pending)

    sdk.patch_sdk()
    assert asyncio.run(run()) == (1, 1)


class _Resource:
    """What the search for cycles needs of a resource."""


def test_a_chain_of_dependencies_may_be_as_long_as_a_cluster_is_large() -> None:
    """The SDK's own search ends with a RecursionError."""
    sdk.patch_sdk()
    nodes = [_Resource() for _ in range(1500)]
    for earlier, later in itertools.pairwise(nodes):
        assert cycles.declare_dependency(later, earlier)
    assert not cycles.declare_dependency(nodes[0], nodes[-1])


def test_a_longer_chain_needs_no_longer_search_for_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    sdk.patch_sdk()
    asked: list[object] = []
    before = cycles._deps
    monkeypatch.setattr(cycles, "_deps", lambda res: asked.append(res) or before(res))
    nodes = [_Resource() for _ in range(1000)]
    for earlier, later in itertools.pairwise(nodes):
        assert cycles.declare_dependency(later, earlier)
    assert len(asked) <= len(nodes)


def test_cycles_are_found_as_before() -> None:
    """Every order in which seven dependencies of four resources are declared has the same answers as without patch."""
    pairs = [(0, 1), (1, 2), (0, 2), (2, 3), (3, 0), (1, 3), (2, 2)]
    orders = list(itertools.permutations(pairs))[::97]
    before = [_answers(order) for order in orders]
    sdk.patch_sdk()
    assert [_answers(order) for order in orders] == before
    assert {True, False} <= {answer for answers in before for answer in answers}


def _answers(order: Iterable[tuple[int, int]]) -> list[bool]:
    nodes = [_Resource() for _ in range(4)]
    return [cycles.declare_dependency(nodes[one], nodes[other]) for one, other in order]
