"""The section of the report about rotations."""

from typing import Any

import pytest

from tools.report.read import Preview, Step
from tools.report.rotation import COMPONENT, rotation_section

URN = f"urn:pulumi:s::hardway::{COMPONENT}::rotation"


def rows(before: dict[str, Any] | None, now: dict[str, Any]) -> list[str]:
    """The rows of the section; None: an earlier version of the program has no such component."""
    old = {"generations": before} if before is not None else {}
    operation = "create" if before is None else "update"
    step = Step(operation, URN, old=old, new={"generations": now})
    return [item for section in rotation_section(Preview("s", (step,))) for item in section.items]


def of(trusted: list[float], active: float) -> dict[str, Any]:
    return {"trusted": trusted, "active": active}


@pytest.mark.parametrize(
    ("before", "now", "row"),
    [
        (
            {"etcd": of([1], 1)},
            {"etcd": of([1, 2], 1)},
            "| `etcd-ca` | trust generation 2; trusted then: 1, 2 | step 2 of 3: use generation 2 |",
        ),
        (
            {"etcd": of([1.0, 2.0], 1.0)},
            {"etcd": of([1.0, 2.0], 2.0)},
            "| `etcd-ca` | use generation 2 instead of 1; trusted then: 1, 2 "
            "| step 3 of 3: stop trusting generation 1 |",
        ),
        (
            {"etcd": of([1, 2], 2)},
            {"etcd": of([2], 2)},
            "| `etcd-ca` | **stop trusting** generation 1; trusted then: 2 | step 1 of 3: trust generation 3 |",
        ),
        (
            None,
            {"frontProxy": of([1, 2], 1)},
            "| `front-proxy-ca` | trust generation 2; trusted then: 1, 2 | step 2 of 3: use generation 2 |",
        ),
    ],
)
def test_each_key_that_changes_has_a_row(before: dict[str, Any] | None, now: dict[str, Any], row: str) -> None:
    assert rows(before, now) == [row]


def test_without_a_step_there_is_no_section() -> None:
    assert rows(None, {"etcd": of([1], 1)}) == []
    assert rows({"etcd": of([1, 2], 2)}, {"etcd": of([1, 2], 2)}) == []
