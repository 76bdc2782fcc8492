"""Failed tests of a run, for the end of `make test`: its last lines name the failures of every suite."""

import os
from pathlib import Path

import pytest

FILE = "HARDWAY_E2E_FAILURES"
"""The variable with the file to which each suite adds its failures. Without the variable, nothing is written."""
_LINES = 25
_SHOWN = 3
"""Failures of a suite that are shown. Later ones usually follow from these."""


def write(reports: list[pytest.TestReport]) -> None:
    """Add the first failures, each with its moment and the last lines of its error."""
    if not (name := os.environ.get(FILE)):
        return
    with Path(name).open("a") as file:
        for report in reports[:_SHOWN]:
            print(f"=== {report.nodeid} ({report.when}, after {report.duration:.0f} s)", file=file)
            print(*_essence(report), sep="\n", file=file)
        if len(reports) > _SHOWN:
            print(f"=== and {len(reports) - _SHOWN} more", file=file)


def _essence(report: pytest.TestReport) -> list[str]:
    """Lines that pytest marks with E, or the last lines if there are none."""
    lines = report.longreprtext.splitlines()
    marked = [line for line in lines if line.startswith("E ")]
    return [line[:400] for line in (marked or lines)[-_LINES:]]
