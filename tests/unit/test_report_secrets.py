"""No report contains a secret: neither values that the engine marks as secret, nor private values without a marker."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tools.report.read import read
from tools.report.render import render

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FOLDER = Path(__file__).parent.parent / "data" / "previews"
NAMES = sorted(path.parent.name for path in FOLDER.glob("*/preview.jsonl"))
MARK = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
PLANTED = "planted-9f3c"
KEY = f"-----BEGIN EC PRIVATE KEY-----\n{PLANTED}\n-----END EC PRIVATE KEY-----\n"

# The report uses no value of these recordings.
EMPTY = ("no-op", "refused-page", "machine-replaced")

Change = Callable[[Any], Any]


def secret(value: Any) -> dict[str, Any]:
    """All forms in which the engine writes a secret."""
    plain = json.dumps(PLANTED if isinstance(value, str) else [PLANTED, value])
    return MARK | {"ciphertext": PLANTED, "plaintext": plain, "value": f"{PLANTED}-value"}


def each_leaf(value: Any) -> Any:
    """Makes every leaf a secret."""
    if isinstance(value, dict):
        return {key: each_leaf(item) for key, item in value.items()}
    return [each_leaf(item) for item in value] if isinstance(value, list) else secret(value)


def each_property(value: Any) -> Any:
    """Makes every property a secret as a whole."""
    return {key: secret(item) for key, item in value.items()}


def with_private_properties(value: Any) -> Any:
    """Adds private properties that, by mistake, have no marker."""
    private = ("stdin", "privateKeyPem", "privateKeyOpenssh", "input", "output", "kubeconfig", "connection", "stdout")
    return value | dict.fromkeys(private, PLANTED) | {"data": {"token": PLANTED}, "stringData": {PLANTED: PLANTED}}


def changed(text: str, change: Change) -> str:
    """A recording with changed inputs and outputs of every state."""
    lines = []
    for line in text.splitlines():
        event = json.loads(line)
        metadata = event.get("resourcePreEvent", {}).get("metadata", {})
        for state in (metadata.get("old"), metadata.get("new")):
            for part in ("inputs", "outputs"):
                if state is not None:
                    state[part] = change(state.get(part, {}))
        lines.append(json.dumps(event))
    return "\n".join(lines)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("change", [each_leaf, each_property, with_private_properties], ids=lambda c: c.__name__)
def test_planted_secrets_do_not_appear(name: str, change: Change) -> None:
    text = changed((FOLDER / name / "preview.jsonl").read_text(), change)
    assert (PLANTED in text) == (
        name not in EMPTY or (change is with_private_properties and name == "machine-replaced")
    )
    assert PLANTED not in render(read(text), NOW)


@pytest.mark.parametrize("change", [each_leaf, each_property], ids=lambda c: c.__name__)
def test_planted_secrets_do_not_appear_from_the_other_form(change: Change) -> None:
    document = json.loads((FOLDER / "changed-names" / "preview.json").read_text())
    for step in document["steps"]:
        for state in (step.get("oldState"), step.get("newState")):
            for part in ("inputs", "outputs"):
                if state is not None:
                    state[part] = change(state.get(part, {}))
    assert PLANTED not in render(read(json.dumps(document)), NOW)


@pytest.mark.parametrize("kind", ["diagnosticEvent", "policyEvent"])
def test_messages_do_not_quote_secrets(kind: str) -> None:
    message = f"cannot use <{{%fg 1%}}>{PLANTED}<{{%reset%}}> or {KEY}"
    said = {"message": message, "severity": "error", "policyName": "p", "enforcementLevel": "mandatory"}
    events = [
        {"resourcePreEvent": {"metadata": {"op": "create", "urn": "urn:pulumi:s::p::a:b:C::n", "new": {"inputs": {}}}}},
        {kind: said},
        {"summaryEvent": {}},
    ]
    events[0]["resourcePreEvent"]["metadata"]["new"]["inputs"]["key"] = secret("x")  # type: ignore[index]
    report = render(read("\n".join(map(json.dumps, events))), NOW)
    assert PLANTED not in report
    assert "cannot use [secret] or [secret]" in report


def test_flags_that_the_page_keeps_secret_are_not_compared() -> None:
    lines = (FOLDER / "api-server-flag" / "preview.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    for event in events:
        metadata = event.get("resourcePreEvent", {}).get("metadata", {})
        if "NodeRelease::" in metadata.get("urn", ""):
            for state in ("old", "new"):
                metadata[state]["inputs"]["flags"] = secret("flags")
    report = render(read("\n".join(map(json.dumps, events))), NOW)
    assert "event-ttl" not in report
    assert "restarts `kube-apiserver` (unit file)" in report
    assert "the page keeps flags secret" in report
