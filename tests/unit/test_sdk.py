"""The patches of Pulumi's SDK: other modules are not affected, and a failure is still reported at once."""

import asyncio

import pulumi
import pulumi.runtime.stack
import pytest

from components import sdk


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi.log, "debug", pulumi.log.debug)
    monkeypatch.setattr(pulumi.runtime.stack, "asyncio", asyncio)


def test_only_the_loop_that_waits_for_outputs_waits_otherwise() -> None:
    before = asyncio.wait
    sdk.patch_sdk()
    assert pulumi.runtime.stack.asyncio.wait is not before
    assert asyncio.wait is before
    assert pulumi.runtime.stack.asyncio.sleep is asyncio.sleep


def test_debug_messages_are_sent_to_who_asks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    say, warn = pulumi.log.debug, pulumi.log.warn
    monkeypatch.setenv(sdk.SHOW, "1")
    sdk.patch_sdk()
    assert pulumi.log.debug is say
    monkeypatch.delenv(sdk.SHOW)
    sdk.patch_sdk()
    assert pulumi.log.debug is not say
    assert pulumi.log.warn is warn


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
