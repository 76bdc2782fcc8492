"""No secret ever stands in a report: what the engine marks as secret, and what is private without a mark."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.report.read import read
from tools.report.render import render

FOLDER = Path(__file__).parent.parent / "data" / "previews"
NAMES = sorted(path.parent.name for path in FOLDER.glob("*/preview.jsonl"))
MARK = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
PLANTED = "planted-9f3c"
KEY = f"-----BEGIN EC PRIVATE KEY-----\n{PLANTED}\n-----END EC PRIVATE KEY-----\n"

# Of these recordings the report reads no value.
EMPTY = ("no-op", "refused-page", "machine-replaced")

Change = Callable[[Any], Any]


def secret(value: Any) -> dict[str, Any]:
    """A value as the engine writes secrets in any of its forms."""
    plain = json.dumps(PLANTED if isinstance(value, str) else [PLANTED, value])
    return MARK | {"ciphertext": PLANTED, "plaintext": plain, "value": f"{PLANTED}-value"}


def each_leaf(value: Any) -> Any:
    """Every leaf is a secret of its own."""
    if isinstance(value, dict):
        return {key: each_leaf(item) for key, item in value.items()}
    return [each_leaf(item) for item in value] if isinstance(value, list) else secret(value)


def each_property(value: Any) -> Any:
    """Every property is secret as a whole."""
    return {key: secret(item) for key, item in value.items()}


def with_private_properties(value: Any) -> Any:
    """Properties that are private are there, and by mistake are not marked."""
    private = ("stdin", "privateKeyPem", "privateKeyOpenssh", "input", "output", "kubeconfig", "connection", "stdout")
    return value | dict.fromkeys(private, PLANTED) | {"data": {"token": PLANTED}, "stringData": {PLANTED: PLANTED}}


def changed(text: str, change: Change) -> str:
    """A recording with every state's inputs and outputs changed."""
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
    assert PLANTED not in render(read(text))


@pytest.mark.parametrize("change", [each_leaf, each_property], ids=lambda c: c.__name__)
def test_planted_secrets_do_not_appear_from_the_other_form(change: Change) -> None:
    document = json.loads((FOLDER / "changed-names" / "preview.json").read_text())
    for step in document["steps"]:
        for state in (step.get("oldState"), step.get("newState")):
            for part in ("inputs", "outputs"):
                if state is not None:
                    state[part] = change(state.get(part, {}))
    assert PLANTED not in render(read(json.dumps(document)))


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
    report = render(read("\n".join(map(json.dumps, events))))
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
    report = render(read("\n".join(map(json.dumps, events))))
    assert "event-ttl" not in report
    assert "restarts `kube-apiserver` (unit file)" in report
    assert "flags are kept secret by the page" in report
