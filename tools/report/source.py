"""The part of the report about the choice between upstream's release files and built programs."""

from __future__ import annotations

from collections.abc import Iterator

from components.artifacts.source import MIRROR, RECORD, UPSTREAM, WHAT, named
from tools.report.markdown import Section
from tools.report.read import Preview, Step

_STASH = "pulumi:index:Stash"
_INPUT = "input"


def source_section(preview: Preview) -> Iterator[Section]:
    """A sentence if a running stack gets its programs from elsewhere."""
    for step in preview.steps:
        if is_change_of_source(step, preview):
            before = named(step.old.get(_INPUT)) or MIRROR
            now = named(step.new.get(_INPUT)) or before
            yield Section(
                "Where programs come from",
                (),
                f"Now: {WHAT[now]}. Until now: {WHAT[before]}. All programs and images have other digests, so "
                "everything restarts on every node, one node after the other.",
            )


def is_change_of_source(step: Step, preview: Preview) -> bool:
    """Whether a step changes the choice of a running stack. A stack of an earlier version has built programs."""
    if step.type != _STASH or step.name != RECORD:
        return False
    runs = any(other.operation != "create" for other in preview.steps)
    return step.operation == "update" or (runs and step.new.get(_INPUT) == UPSTREAM)
