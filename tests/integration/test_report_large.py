"""The report of a large cluster fits into a comment, and still says what happens to which nodes."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tools.report.markdown import named
from tools.report.read import read
from tools.report.render import render

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
RECORDED = Path(__file__).parents[1] / "data" / "previews"
COMMENT = 65_536
"""Characters that GitHub accepts in a comment."""
WORKERS = 500


def numbered(number: int) -> str:
    return f"worker-{number}"


def irregular(number: int) -> str:
    """As long as the page allows, and in no order."""
    return f"{number * 7919 % 1009:04}-{'x' * 50}.example"[:63]


def grown(recording: str, name: Callable[[int], str]) -> str:
    """A recorded preview in which each event about worker-1 is there for 500 workers."""
    lines = (RECORDED / recording / "preview.jsonl").read_text().splitlines()
    return "\n".join(line for event in lines for line in _of_workers(event, name))


def _of_workers(event: str, name: Callable[[int], str]) -> Iterator[str]:
    if re.search(r"\bworker-[2-9]\b", event) and "::worker-1" not in event:
        return
    urn = json.loads(event).get("resourcePreEvent", {}).get("metadata", {}).get("urn", "")
    if not re.search(r"\bworker-1\b", urn):
        yield event
        return
    for number in range(1, WORKERS + 1):
        yield re.sub(r"\bworker-1\b", name(number), event)


@pytest.mark.parametrize("name", [numbered, irregular])
@pytest.mark.parametrize("recording", ["first-up", "version-bump", "certificates-due", "new-authority"])
def test_a_report_of_500_workers_fits_into_a_comment(recording: str, name: Callable[[int], str]) -> None:
    preview = read(grown(recording, name))
    about: set[Any] = {step.name.removesuffix("-stage") for step in preview.steps if step.name.endswith("-stage")}
    report = render(preview, NOW)
    assert len(report) < COMMENT
    lines = (RECORDED / recording / "report.md").read_text().splitlines()
    if not any(line.startswith("### Nodes") for line in lines):
        return
    assert len(about) >= WORKERS
    small = [line for line in lines if "restarts" in line and line.startswith("- ")]
    # What happens to workers is still said, and all workers are in one group.
    assert all(line in report for line in small if recording != "new-authority")
    if name is numbered:
        assert "`worker-1` … `worker-500` (500)" in report
    else:
        assert re.search(r"… and 4\d\d more", report)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["worker-1", "worker-2", "worker-3"], "`worker-1`, `worker-2`, `worker-3`"),
        (["cp-1", *(f"worker-{n}" for n in (8, 9, 10, 11))], "`cp-1`, `worker-8` … `worker-11` (4)"),
        ([f"w{n:02}" for n in range(8, 13)], "`w08` … `w12` (5)"),
        (["w8", "w9", "w010", "w11"], "`w8`, `w9`, `w010`, `w11`"),
        (["a1", "a2", "a3", "b4"], "`a1`, `a2`, `a3`, `b4`"),
        (["w1", "w2", "w4", "w5"], "`w1`, `w2`, `w4`, `w5`"),
        ([], ""),
    ],
)
def test_names_with_consecutive_numbers_are_one_entry(names: list[str], text: str) -> None:
    assert named(names) == text


def test_what_is_left_out_is_counted_in_names() -> None:
    names = [*(f"{n * 2}" for n in range(100)), *(f"w{n}" for n in range(50)), "x"]
    assert named(names).endswith("`198`, … and 51 more")
