"""The section of the report about certificates that are due within 60 days."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tools.report.due import due_section
from tools.report.read import Preview, Step, read
from tools.report.render import render

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
STACK = "urn:pulumi:s::hardway::pulumi:pulumi:Stack::hardway-s"
LEAF = "urn:pulumi:s::hardway::tls:index/locallySignedCert:LocallySignedCert::"
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "[secret]"}


def entry(name: str = "admin", *, renewed_from: datetime, days: float = 10) -> dict[str, Any]:
    """An entry of the output `certificates` whose renewal window is `days` long."""
    times = {"notAfter": renewed_from + timedelta(days=days), "renewedFrom": renewed_from}
    known = {"name": name, "use": "admin", "subject": "CN=x", "sans": [], "issuer": "kubernetes-ca-1"}
    return known | {key: moment.strftime("%Y-%m-%dT%H:%M:%SZ") for key, moment in times.items()}


def events(old_outputs: Any, new_outputs: Any = None) -> str:
    """The event log of a preview that changes nothing, as the engine writes the step of the stack."""
    states = {"old": {"inputs": {}, "outputs": old_outputs}, "new": {"inputs": {}, "outputs": new_outputs or {}}}
    step = {"resourcePreEvent": {"metadata": {"op": "same", "urn": STACK, **states}}}
    return "\n".join(json.dumps(event) for event in (step, {"summaryEvent": {"result": "succeeded"}}))


def names(preview: Preview) -> list[str]:
    """The certificates in the section, in their order."""
    return [item.split("`")[1] for section in due_section(preview, NOW) for item in section.items]


@pytest.mark.parametrize(
    ("renewed_from", "is_due"),
    [
        (timedelta(days=60), True),
        (timedelta(days=60, seconds=1), False),
        (timedelta(days=-5), True),
        (timedelta(days=-500), True),
    ],
)
def test_a_certificate_is_due_if_its_renewal_starts_within_60_days(renewed_from: timedelta, is_due: bool) -> None:
    text = render(read(events({"certificates": [entry(renewed_from=NOW + renewed_from)]})), NOW)
    assert ("### Due within 60 days" in text) == ("| `admin` | admin | `kubernetes-ca-1` |" in text) == is_due
    assert "Preview of `s`: nothing changes." in text


@pytest.mark.parametrize(("started_days_ago", "state"), [(-1, "valid"), (0, "due"), (9.99, "due"), (10, "expired")])
def test_the_state_is_that_of_the_given_time(started_days_ago: float, state: str) -> None:
    found = entry(renewed_from=NOW - timedelta(days=started_days_ago))
    (section,) = due_section(Preview("s", (), certificates=(found,)), NOW)
    assert section.items[0].endswith(f"| {state} |")


def test_the_certificate_of_the_program_is_not_listed() -> None:
    """It would be in every report, and every `up` renews it when it is due."""
    own = entry("deployer", renewed_from=NOW) | {"use": "deployer"}
    assert names(Preview("s", (), certificates=(own, entry(renewed_from=NOW)))) == ["admin"]


def test_the_next_renewal_comes_first() -> None:
    found = [entry(name, renewed_from=NOW + timedelta(days=days)) for name, days in (("c", 3), ("a", 5), ("b", 4))]
    assert names(Preview("s", (), certificates=tuple(found))) == ["c", "b", "a"]


@pytest.mark.parametrize(("operation", "is_listed"), [("replace", False), ("delete", False), ("update", True)])
def test_what_the_plan_renews_or_drops_is_not_listed_again(operation: str, is_listed: bool) -> None:
    found = entry(renewed_from=NOW), entry("other", renewed_from=NOW)
    preview = Preview("s", (Step(operation, f"{LEAF}admin"),), certificates=found)
    assert ("admin" in names(preview)) == is_listed
    assert "other" in names(preview)


def test_both_forms_of_a_preview_have_the_output() -> None:
    outputs = {"certificates": [entry(renewed_from=NOW)]}
    document = {"steps": [{"op": "same", "urn": STACK, "oldState": {"outputs": outputs}}]}
    assert render(read(json.dumps(document)), NOW) == render(read(events(outputs)), NOW)
    assert names(read(json.dumps(document))) == ["admin"]


def test_certificates_of_the_plan_do_not_count() -> None:
    """What the plan makes is not known yet; only the old state has ends."""
    assert names(read(events({}, {"certificates": [entry(renewed_from=NOW)]}))) == []


@pytest.mark.parametrize("value", [None, SECRET, "[secret]", [], ["text"], [{"name": "admin"}]])
def test_without_a_readable_output_there_is_no_section(value: Any) -> None:
    assert names(read(events({"certificates": value}))) == []


def test_a_hidden_time_hides_no_other_certificate() -> None:
    hidden = entry("hidden", renewed_from=NOW) | {"notAfter": SECRET}
    assert names(read(events({"certificates": [hidden, entry(renewed_from=NOW)]}))) == ["admin"]
