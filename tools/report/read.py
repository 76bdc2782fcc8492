"""Reads Pulumi's record of a preview. Secrets are dropped here, so no later step can show a secret.

Two forms contain nearly the same: the event log (`pulumi preview --event-log FILE`, one JSON object a line), and the
document of `pulumi preview --json`, which lacks findings of policies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from components.resource_names import name_of

HIDDEN = "[secret]"
"""Replaces every secret value."""
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Pulumi's marker for a value that is known only after the run."""

_SIGNATURE, _SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
_COLOUR = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*[mK]")
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL)
_SHORTEST_SECRET = 6
_STACK = "::pulumi:pulumi:Stack::"
# A replacement has several steps: only the step with both states counts.
_OPERATIONS = {"create": "create", "import": "create", "update": "update", "replace": "replace", "delete": "delete"}
_NOISE = ("preview failed", "an unhandled error occurred: program ended")

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """One resource that changes. `operation`: create, update, replace or delete.

    `reasons` are the properties that require a replacement, `changed` the paths of properties that differ.
    """

    operation: str
    urn: str
    old: Values = field(default_factory=dict)
    old_outputs: Values = field(default_factory=dict)
    new: Values = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    retained: bool = False
    """Whether a deletion only leaves the state, and the thing itself stays."""

    @property
    def type(self) -> str:
        """The type of the resource, without the types of its parents."""
        return self.chain.rpartition("$")[2]

    @property
    def chain(self) -> str:
        """The types of the resource and of all its parents, joined by `$`."""
        return self.urn.split("::", 3)[2]

    @property
    def name(self) -> str:
        """The logical name."""
        return self.urn.split("::", 3)[3]


@dataclass(frozen=True, order=True)
class Finding:
    """A finding of a policy about a resource, or about the stack (empty `resource`). A mandatory finding stops `up`."""

    mandatory: bool
    policy: str
    message: str
    resource: str


@dataclass(frozen=True)
class Preview:
    """A preview. `steps` are in the order in which Pulumi processed them.

    `ended` is False if the preview failed or was killed: then more may change than `steps` contains. `certificates` is
    the stack output of this name as the last successful run left it.
    """

    stack: str
    steps: tuple[Step, ...]
    findings: tuple[Finding, ...] = ()
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    ended: bool = True
    certificates: tuple[Values, ...] = ()


def read(text: str) -> Preview:
    """Parse either form. Raises ValueError if the text has neither form."""
    secrets: set[str] = set()
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if isinstance(document, dict) and "steps" in document:
        return _from_document(_clean(document, secrets), secrets)
    return _from_events([_clean(event, secrets) for event in _lines(text)], secrets)


def _lines(text: str) -> Iterable[dict[str, Any]]:
    lines = [line for line in text.splitlines() if line.strip()]
    for number, line in enumerate(lines, 1):
        try:
            event = json.loads(line)
        except ValueError:
            # A killed Pulumi leaves half a line at the end.
            if number == len(lines) and number > 1:
                return
            raise ValueError(f"line {number} is not JSON: neither an event log nor `pulumi preview --json`") from None
        if not isinstance(event, dict):
            raise ValueError(f"line {number} is no event: neither an event log nor `pulumi preview --json`")
        yield event


def _from_events(events: list[dict[str, Any]], secrets: set[str]) -> Preview:
    metadata = [event["resourcePreEvent"]["metadata"] for event in events if "resourcePreEvent" in event]
    summaries = [event["summaryEvent"] for event in events if "summaryEvent" in event]
    findings = {
        Finding(
            mandatory=item.get("enforcementLevel") == "mandatory",
            policy=item["policyName"],
            message=_text(item["message"], secrets),
            resource=_finding_resource(item.get("resourceUrn", "")),
        )
        for event in events
        if (item := event.get("policyEvent"))
    }
    messages = [event["diagnosticEvent"] for event in events if "diagnosticEvent" in event]
    errors = _messages(messages, "error", secrets)
    return Preview(
        stack=_stack(m["urn"] for m in metadata),
        steps=tuple(
            Step(
                _OPERATIONS[m["op"]],
                m["urn"],
                (m.get("old") or {}).get("inputs") or {},
                (m.get("old") or {}).get("outputs") or {},
                (m.get("new") or {}).get("inputs") or {},
                tuple(sorted(m.get("keys") or ())),
                tuple(sorted(m.get("detailedDiff") or m.get("diffs") or ())),
                bool((m.get("old") or {}).get("retainOnDelete")),
            )
            for m in metadata
            if m["op"] in _OPERATIONS
        ),
        findings=tuple(sorted(findings, key=lambda f: (not f.mandatory, f.policy, f.message, f.resource))),
        errors=errors,
        warnings=_messages(messages, "warning", secrets),
        # A mandatory finding also fails the preview, but only after the last step.
        ended=bool(summaries) and not errors,
        certificates=_certificates((m["urn"], m.get("old")) for m in metadata),
    )


def _finding_resource(urn: str) -> str:
    return "" if _STACK in urn else name_of(urn)


def _certificates(states: Iterable[tuple[str, Values | None]]) -> tuple[Values, ...]:
    """The output `certificates` in the old state of the stack, from pairs of a URN and an old state."""
    for urn, state in states:
        found = ((state or {}).get("outputs") or {}).get("certificates") if _STACK in urn else None
        if isinstance(found, list):
            return tuple(entry for entry in found if isinstance(entry, dict))
    return ()


def _from_document(document: dict[str, Any], secrets: set[str]) -> Preview:
    messages = document.get("diagnostics") or []
    errors = _messages(messages, "error", secrets)
    return Preview(
        stack=_stack(step["urn"] for step in document["steps"] or ()),
        steps=tuple(
            Step(
                _OPERATIONS[s["op"]],
                s["urn"],
                (s.get("oldState") or {}).get("inputs") or {},
                (s.get("oldState") or {}).get("outputs") or {},
                (s.get("newState") or {}).get("inputs") or {},
                tuple(sorted(s.get("replaceReasons") or ())),
                tuple(sorted(s.get("detailedDiff") or s.get("diffReasons") or ())),
                bool((s.get("oldState") or {}).get("retainOnDelete")),
            )
            for s in document["steps"] or ()
            if s["op"] in _OPERATIONS
        ),
        errors=errors,
        warnings=_messages(messages, "warning", secrets),
        ended=not errors,
        certificates=_certificates((s["urn"], s.get("oldState")) for s in document["steps"] or ()),
    )


def _stack(urns: Iterable[str]) -> str:
    first = next(iter(urns), "")
    return first.split("::")[0].rpartition(":")[2]


def _messages(items: Iterable[dict[str, Any]], severity: str, secrets: set[str]) -> tuple[str, ...]:
    texts = {_text(item["message"], secrets) for item in items if item.get("severity") == severity}
    return tuple(sorted(text for text in texts if text and not text.startswith(_NOISE)))


def _text(message: str, secrets: set[str]) -> str:
    """A message without colours and without any value that the file itself marks as secret."""
    message = _PEM.sub(HIDDEN, _COLOUR.sub("", message))
    for secret in sorted(secrets, key=len, reverse=True):
        message = message.replace(secret, HIDDEN)
    return message.strip()


def _clean(value: Any, secrets: set[str]) -> Any:
    """The value with every secret hidden; `secrets` collects the secrets that were readable."""
    if isinstance(value, dict):
        if value.get(_SIGNATURE) == _SECRET:
            secrets.update(_leaves(value.get("value")))
            secrets.update(_leaves(_parsed(value.get("plaintext"))))
            return HIDDEN
        return {key: _clean(item, secrets) for key, item in value.items()}
    return [_clean(item, secrets) for item in value] if isinstance(value, list) else value


def _parsed(plaintext: Any) -> Any:
    try:
        return json.loads(plaintext)
    except (ValueError, TypeError):
        return plaintext


def _leaves(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, str) and len(value) >= _SHORTEST_SECRET:
        yield value
