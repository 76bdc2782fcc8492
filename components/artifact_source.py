"""The choice between upstream's release files and built programs, as this stack has it: recorded in its state.

The record is the input of a Stash. A page that says `auto` uses the record, so every operator and every CI job that
works on the stack uses the same programs. A page that forces a choice changes the record.
"""

from __future__ import annotations

import os

import pulumi
from pulumi.runtime.sync_await import _sync_await

from components.artifacts.source import HANDED_OVER, MIRROR, RECORD, Name, Probes, decide, named, of_page
from components.config import Page

OUTPUT = "artifactSource"
"""The stack output with the choice."""


class ArtifactSource:
    """The page with the choice in the place of `auto`."""

    page: Page
    name: Name

    def __init__(self, page: Page, stack: str, is_new: bool) -> None:
        """`is_new`: the stack has no outputs yet. Otherwise this waits for the engine, which has the record."""
        artifacts = page.artifacts
        chosen = of_page(artifacts.source, page.machines.serves_mirror, artifacts.mirror)
        self._is_recorded = chosen is None and not is_new
        if chosen is not None:
            self.name = chosen.name
        elif is_new:
            self.name = _first(page, stack)
        else:
            # The engine ignores this input if there is a record, and then tells the recorded one. Stacks of earlier
            # versions have none.
            record = pulumi.Stash(RECORD, input=MIRROR, opts=pulumi.ResourceOptions(ignore_changes=["input"]))
            self.name = named(_sync_await(record.input.future())) or MIRROR
        self.page = page.model_copy(update={"artifacts": artifacts.model_copy(update={"source": self.name})})

    def record(self) -> list[pulumi.Resource]:
        """Record a new choice. It comes after all checks: a run that is refused changes no record.

        Return what has to exist before a node gets its release: a run that is killed later is remembered.
        """
        return [] if self._is_recorded else [pulumi.Stash(RECORD, input=self.name)]


def _first(page: Page, stack: str) -> Name:
    """The choice for a new stack: the one of `make`, if `make` was run for this stack."""
    handed_over = HANDED_OVER / stack
    found = named(handed_over.read_text().strip()) if handed_over.is_file() else None
    if found is None:
        choice = decide(Probes(page, os.environ.get("PATH", os.defpath)))
        pulumi.log.info(choice.sentence())
        found = choice.name
    return found
