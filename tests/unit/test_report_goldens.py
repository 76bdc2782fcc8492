"""Reports of previews that were recorded from a real stack (see tests/data/previews/record.py).

The stack had one machine with every role and one worker; `aws-first-up` is the example page for AWS. For
`refused-by-policy`, the ends of three certificates were edited in the state before the preview, and two rules that were
written for the recording reported findings. `changed-names` was recorded twice: as an event log, and as the output of
`pulumi preview --json`. `certificates-due` is the recording `no-op` with an output `certificates` in the old state of
the stack: the other recordings were trimmed before the report read that output. For the same reason, bindings and
namespaces that a recording makes or deletes got what the program gives them: roles, subjects, labels, and
`retainOnDelete`. tests/integration/test_access_command.py reads these from a real preview.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from goldens import check

from tools.report.read import read
from tools.report.render import LIMIT, marker, render
from tools.report.renewal import more_than_renewal, renewed

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FOLDER = Path(__file__).parent.parent / "data" / "previews"
NAMES = sorted(path.parent.name for path in FOLDER.glob("*/preview.jsonl"))


def recorded(name: str, form: str = "preview.jsonl") -> str:
    """The recording of a preview."""
    return (FOLDER / name / form).read_text()


@pytest.mark.parametrize("name", NAMES)
def test_golden(name: str) -> None:
    check(FOLDER / name, "report.md", {"report.md": lambda: render(read(recorded(name)), NOW)})


def test_every_kind_of_change_is_recorded() -> None:
    wanted = {"first-up", "no-op", "api-server-flag", "changed-names", "refused-by-policy", "one-more-worker"}
    assert wanted | {"version-bump", "one-worker-less", "machine-replaced", "new-authority", "aws-first-up"} <= {*NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_recordings_hold_no_private_text(name: str) -> None:
    for file in (FOLDER / name).iterdir():
        text = file.read_text()
        assert "PRIVATE KEY" not in text and "/root" not in text and "/tmp" not in text, file


def test_nothing_changes_in_one_line() -> None:
    report = render(read(recorded("no-op")), NOW)
    assert report == f"{marker('report')}\nPreview of `report`: nothing changes.\n"


def test_both_forms_give_the_same_report() -> None:
    assert render(read(recorded("changed-names", "preview.json")), NOW) == render(read(recorded("changed-names")), NOW)


@pytest.mark.parametrize("name", NAMES)
def test_runs_differ_in_nothing_a_reader_sees(name: str) -> None:
    """Times, sequence numbers and the order of steps that do not wait for each other."""
    events = [json.loads(line) for line in recorded(name).splitlines()]
    rolled = [event for event in events if _is_activation(event)]
    other = [event for event in events if event not in rolled][::-1]
    for number, event in enumerate(mixed := other + rolled):
        event |= {"sequence": number, "timestamp": 1_700_000_000 + number}
        if "summaryEvent" in event:
            event["summaryEvent"]["durationSeconds"] = number
    again = "".join(json.dumps(event) + "\n" for event in mixed)
    assert render(read(again), NOW) == render(read(recorded(name)), NOW)


def _is_activation(event: dict[str, dict[str, dict[str, str]]]) -> bool:
    return event.get("resourcePreEvent", {}).get("metadata", {}).get("urn", "").endswith("-activate")


@pytest.mark.parametrize("name", NAMES)
def test_reports_fit_into_a_comment(name: str) -> None:
    assert len(render(read(recorded(name)), NOW).encode()) <= LIMIT


@pytest.mark.parametrize("name", ["api-server-flag", "refused-by-policy"])
def test_the_documentation_shows_what_is_made(name: str) -> None:
    assert (FOLDER / name / "report.md").read_text() in (FOLDER.parents[2] / "docs" / "preview.md").read_text()


ALLOWED = {"no-op", "refused-by-policy", "certificates-due"}


@pytest.mark.parametrize("name", NAMES)
def test_only_certificates_that_are_due_may_be_renewed_unseen(name: str) -> None:
    assert (more_than_renewal(read(recorded(name))) == ()) == (name in ALLOWED)


def test_what_is_due_is_named() -> None:
    assert renewed(read(recorded("refused-by-policy"))) == ("admin", "cp-1-etcd-peer", "worker-1-kube-proxy")
    assert renewed(read(recorded("no-op"))) == ()
