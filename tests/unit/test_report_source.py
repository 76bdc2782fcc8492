"""The section of the report about where programs come from."""

import pytest

from tools.report.objects import other_changes
from tools.report.read import Preview, Step
from tools.report.source import source_section

URN = "urn:pulumi:s::hardway::pulumi:index:Stash::artifact-source"
RUNNING = Step("update", "urn:pulumi:s::hardway::command:remote:Command::cp-1-stage")
NEW = Step("create", "urn:pulumi:s::hardway::command:remote:Command::cp-1-stage")


def texts(operation: str, old: str | None, now: str, *others: Step) -> list[str]:
    step = Step(operation, URN, old={"input": old} if old else {}, new={"input": now})
    preview = Preview("s", (*others, step))
    found = [section.text for section in source_section(preview)]
    assert len([change for change in other_changes(preview) if change.name == "artifact-source"]) == 1 - len(found)
    return found


@pytest.mark.parametrize(
    ("operation", "old", "now", "text"),
    [
        ("update", "mirror", "upstream", "Now: release files of upstream. Until now: built from Go modules."),
        ("update", "upstream", "mirror", "Now: built from Go modules. Until now: release files of upstream."),
        ("create", None, "upstream", "Now: release files of upstream. Until now: built from Go modules."),
    ],
)
def test_a_running_stack_with_another_choice(operation: str, old: str | None, now: str, text: str) -> None:
    (found,) = texts(operation, old, now, RUNNING)
    assert found.startswith(text)


def test_a_first_choice_is_no_change() -> None:
    assert texts("create", None, "upstream", NEW) == texts("create", None, "mirror", RUNNING) == []
