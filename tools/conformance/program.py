"""The programs e2e.test and ginkgo: built from source, or those of a release of Kubernetes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tools.common.errors import ToolError
from tools.from_source import catalogue
from tools.judging.built import built

_HOW_TO_GIVE = "give the programs of a release with `make conformance E2E=FOLDER`: docs/conformance.md"


@dataclass(frozen=True)
class Programs:
    """Upstream's tests, and the program that runs them in parallel."""

    e2e: Path
    ginkgo: Path


def find(given: Path | None) -> Programs:
    """The programs in the folder `given`, or the built ones; builds them first if that was not done yet.

    Raises ToolError if the folder lacks a program, or if there is no folder and no Go.
    """
    if given is not None:
        found = Programs(given / catalogue.E2E_TEST.name, given / catalogue.GINKGO.name)
        missing = [path.name for path in (found.e2e, found.ginkgo) if not path.is_file()]
        if missing:
            raise ToolError(f"{given} has no `{'` and no `'.join(missing)}`; {_HOW_TO_GIVE}")
        return found
    return Programs(*(built(one, "upstream's tests", _HOW_TO_GIVE) for one in (catalogue.E2E_TEST, catalogue.GINKGO)))
