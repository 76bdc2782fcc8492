"""Trims a recorded preview to the properties that the report reads, for a golden test.

To record one, bring a stack up, change its page, preview, and trim:

    make preview STACK=report
    python3 tests/data/previews/record.py .state/report/preview.jsonl api-server-flag
    UPDATE_GOLDENS=1 python -m pytest tests/unit/test_report_goldens.py

For a stack in AWS, `python -m tests.e2e.aws.record FILE` makes the event log. The output of `pulumi preview --json` is
accepted as well. The result has only properties that the report reads; long texts are `(trimmed)`, and paths and
addresses of the host are replaced. The markers of secrets stay as the engine wrote them. Before the result is written,
its report is compared with the report of the original.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2]))

from policies import clock  # noqa: E402
from tools.report.read import read  # noqa: E402
from tools.report.render import render  # noqa: E402

TRIMMED = "(trimmed)"
STEP = ("op", "urn", "old", "new", "keys", "diffs", "detailedDiff")
CERTIFICATE = ("name", "use", "issuer", "notAfter", "renewedFrom")
# By the package of a type: the properties that a report may look at. Of other types it looks at none.
PROPERTIES = {
    "hardway": {"digest", "manifest", "flags", "restartOn", "reloadOn", "material", "versions", "units"},
    "tls": {"validityPeriodHours", "validityEndTime", "dnsNames", "ipAddresses"},
    "kubernetes": None,
}
# Objects of which the report shows what they give and what they limit.
RIGHTS = {
    *(
        f"kubernetes:rbac.authorization.k8s.io/v1:{kind}"
        for kind in ("RoleBinding", "ClusterRoleBinding", "ClusterRole")
    ),
    *(f"kubernetes:core/v1:{kind}" for kind in ("Namespace", "ResourceQuota", "LimitRange")),
}
HOST = [
    (re.compile(r"\b10\.100\.\d+\."), "192.0.2."),
    (re.compile(r"/[^\s'\"]*/\.state\b"), "/home/me/hardway/.state"),
    # The public half of a bootstrap token.
    (re.compile(r"\bbootstrap-token-[a-z0-9]{6}\b"), "bootstrap-token-abcdef"),
]


def trimmed_event(event: dict[str, Any]) -> dict[str, Any] | None:
    """The parts of an event that the report reads, or None."""
    if "resourcePreEvent" in event:
        metadata = event["resourcePreEvent"]["metadata"]
        if metadata["op"] == "same":
            # The name of the stack is in every URN, and a step may change nothing else.
            if not is_stack(metadata):
                return None
            kept = _only(metadata, ("op", "urn")) | trimmed_output(metadata, "old")
            return {"resourcePreEvent": {"metadata": kept}}
        kept = _only(metadata, STEP)
        for state in ("old", "new"):
            if state in kept:
                kept[state] = trimmed_state(metadata["urn"], kept[state], metadata["op"])
        return {"resourcePreEvent": {"metadata": kept}}
    if "policyEvent" in event:
        kept = ("resourceUrn", "message", "policyName", "enforcementLevel")
        return {"policyEvent": _only(event["policyEvent"], kept)}
    if "diagnosticEvent" in event and event["diagnosticEvent"]["severity"] != "debug":
        return {"diagnosticEvent": _only(event["diagnosticEvent"], ("urn", "message", "severity"))}
    if "summaryEvent" in event:
        return {"summaryEvent": _only(event["summaryEvent"], ("result",))}
    return None


def is_stack(metadata: dict[str, Any]) -> bool:
    """Whether a step is about the stack itself."""
    return "::pulumi:pulumi:Stack::" in metadata["urn"]


def trimmed_output(step: dict[str, Any], state: str) -> dict[str, Any]:
    """The old state of the stack with nothing but the output `certificates`; empty without that output."""
    entries = ((step.get(state) or {}).get("outputs") or {}).get("certificates") or []
    kept = [_only(entry, CERTIFICATE) for entry in entries]
    return {state: {"outputs": {"certificates": kept}}} if kept else {}


def _only(values: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: values[key] for key in keys if values.get(key)}


def trimmed_state(urn: str, state: dict[str, Any], operation: str) -> dict[str, Any]:
    """Inputs and outputs without properties that the report never reads."""
    kind = urn.split("::")[2].rpartition("$")[2]
    package = kind.partition(":")[0]
    kept: dict[str, Any] = {"retainOnDelete": True} if state.get("retainOnDelete") else {}
    for part in ("inputs", "outputs"):
        wanted = PROPERTIES.get(package, set())
        values = state.get(part) or {}
        if package == "kubernetes" and (part == "outputs" or (operation != "update" and kind not in RIGHTS)):
            # Of other created and deleted resources the report shows only the name.
            values = {"metadata": values["metadata"]} if part == "inputs" and "metadata" in values else {}
        values = {key: value for key, value in values.items() if wanted is None or key in wanted}
        if package == "hardway" and part == "outputs" and "manifest" in state.get("inputs", {}):
            values = {}
        if values:
            kept[part] = trimmed_value(values)
    return kept


def trimmed_value(value: Any) -> Any:
    """The value without long texts."""
    if isinstance(value, dict):
        return {key: trimmed_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [trimmed_value(item) for item in value]
    if isinstance(value, str) and ("-----BEGIN" in value or "\n" in value):
        return TRIMMED
    return value


def trimmed_document(document: dict[str, Any]) -> dict[str, Any]:
    """The output of `pulumi preview --json`, trimmed in the same way."""
    kept = [_only(step, ("op", "urn", "replaceReasons", "diffReasons", "detailedDiff")) for step in document["steps"]]
    for small, step in zip(kept, document["steps"], strict=True):
        if is_stack(step):
            small |= trimmed_output(step, "oldState")
        for state in ("oldState", "newState"):
            if step.get(state) and not is_stack(step):
                small[state] = trimmed_state(step["urn"], step[state], step["op"])
    return {"steps": kept}


def trimmed(text: str) -> tuple[str, str]:
    """A file name and its text."""
    try:
        document = json.loads(text)
    except ValueError:
        events = [event for line in text.splitlines() if (event := trimmed_event(json.loads(line)))]
        return "preview.jsonl", "".join(json.dumps(e, sort_keys=True, separators=(",", ":")) + "\n" for e in events)
    return "preview.json", json.dumps(trimmed_document(document), sort_keys=True, separators=(",", ":")) + "\n"


def main(source: Path, name: str) -> None:
    """Writes a recording to tests/data/previews/<name>."""
    text = source.read_text()
    file, small = trimmed(text)
    for pattern, replacement in HOST:
        text, small = pattern.sub(replacement, text), pattern.sub(replacement, small)
    now = clock.now()
    if render(read(small), now) != render(read(text), now):
        sys.exit("trimming has changed the report: record.py drops something that the report reads")
    target = HERE / name / file
    target.parent.mkdir(exist_ok=True)
    target.write_text(small)
    print(f"{target}: {len(small)} of {len(text)} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
