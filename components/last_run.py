"""The stack outputs of the last `up`. The program compares the page with these outputs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import pulumi

from components.config import ConfigError, Page
from components.config.backup import RESTORED
from components.config.given import refused_authorities
from components.config.rotation import read_recorded, recorded, refused_steps

T = TypeVar("T")
GIVEN = "givenAuthorities"
"""The stack output with the identities of the authorities that the page gives, by name and generation. There is no such
output if the page gives none."""
GENERATIONS = "generations"
"""The stack output with the generations of every key."""
_PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.4)
_READ = "pulumi:pulumi:readStackOutputs"
"""The function of the engine that `pulumi.StackReference` calls. A StackReference would copy the outputs, with their
secrets, into the state; a call of the function does not."""


def _read(name: str) -> object:
    """The outputs of a stack. Asks again if the engine is writing the state of the stack just then.

    The file backend overwrites the attributes of the state file in place (gocloud.dev/blob/fileblob, setAttrs), so a
    read at that moment ends with EOF.
    """
    for pause in _PAUSES_SECONDS:
        try:
            return pulumi.runtime.invoke(_READ, {"name": name}).value["outputs"]
        except Exception as error:
            if "EOF" not in str(error):
                raise
            time.sleep(pause)
    return pulumi.runtime.invoke(_READ, {"name": name}).value["outputs"]


class LastRun:
    """The outputs of the last `up`. There are none before the first one."""

    def __init__(self) -> None:
        name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
        outputs = _read(name)
        self._outputs: Mapping[str, Any] = outputs if isinstance(outputs, Mapping) else {}

    @property
    def is_first(self) -> bool:
        """Whether no run has recorded outputs yet."""
        return not self._outputs

    def refuse_steps_out_of_order(self, page: Page) -> None:
        """Raise pulumi.RunError, also at preview, if the generations on the page leave out a step of a rotation."""
        if self._outputs and (found := refused_steps(self._outputs.get(GENERATIONS, {}), page.pki.generations)):
            raise pulumi.RunError(str(ConfigError(found)))

    def refuse_other_authorities(self, page: Page) -> None:
        """Raise pulumi.RunError, also at preview, if an existing generation of an authority has another key."""
        trusted = read_recorded(self._outputs.get(GENERATIONS, {}))
        if self._outputs and (found := refused_authorities(trusted, self._outputs.get(GIVEN) or {}, page)):
            raise pulumi.RunError(str(ConfigError(found)))

    def generations(self, page: Page, done: Sequence[pulumi.Resource]) -> pulumi.Input[dict[str, Any]]:
        """The output `generations`: the generations on the page, once everything in `done` is complete.

        Pulumi saves the outputs of a program also if a command fails, as soon as all outputs are known. So the output
        of an `up` that takes a step waits for the commands of the step. If one fails, then the outputs of the last `up`
        stay, and the next step is refused. Without a step nothing has to wait: a first `up` that fails late has a
        kubeconfig.
        """
        now = recorded(page.pki.generations)
        if not self._outputs or read_recorded(self._outputs.get(GENERATIONS, {})) == page.pki.generations:
            return now
        return _after(done, now)

    def restored(self, page: Page, done: Sequence[pulumi.Resource]) -> pulumi.Input[int] | None:
        """The output `restored`: the highest number of a restore on the page, once everything in `done` is complete.

        It stays when the restore is taken off the page, so that no number is used twice. None for a stack that never
        had snapshots.
        """
        last = self._outputs.get(RESTORED)
        if last is None and page.backup is None:
            return None
        before = int(last) if isinstance(last, int | float) else 0
        if page.restore is None or page.restore.number <= before:
            return before
        return _after(done, page.restore.number)


def _after(done: Sequence[pulumi.Resource], value: T) -> pulumi.Output[T]:
    return pulumi.Output.all(*(resource.urn for resource in done)).apply(lambda _: value)
