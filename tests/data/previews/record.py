"""Trims what Pulumi said of a preview to what the report reads, for a golden test.

To record one, bring a stack up, change its page, preview, and trim:

    make preview STACK=report
    python3 tests/data/previews/record.py .state/report/preview.jsonl api-server-flag
    UPDATE_GOLDENS=1 python -m pytest tests/unit/test_report_goldens.py

For one of a stack in AWS, `python -m tests.e2e.aws.record FILE` makes the first of these files.
What `pulumi preview --json` printed is taken as well. Only properties that the report reads are kept, long texts are
`(trimmed)`, paths of the host and its address range are made up. The marks of secrets stay as the engine wrote them.
What is left is read again before it is written, and has to give the same report as the original.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2]))

from tools.report.read import read  # noqa: E402
from tools.report.render import render  # noqa: E402

TRIMMED = "(trimmed)"
STEP = ("op", "urn", "old", "new", "keys", "diffs", "detailedDiff")
# By the package of a type: the properties that a report may look at. Of other types it looks at none.
PROPERTIES = {
    "hardway": {"digest", "manifest", "flags", "restartOn", "reloadOn", "material", "versions", "units"},
    "tls": {"validityPeriodHours", "validityEndTime", "dnsNames", "ipAddresses"},
    "kubernetes": None,
}
HOST = [
    (re.compile(r"\b10\.100\.\d+\."), "192.0.2."),
    (re.compile(r"/[^\s'\"]*/\.state\b"), "/home/me/hardway/.state"),
    # Half of a bootstrap token, though not the secret half.
    (re.compile(r"\bbootstrap-token-[a-z0-9]{6}\b"), "bootstrap-token-abcdef"),
]


def trimmed_event(event: dict[str, Any]) -> dict[str, Any] | None:
    """The parts of an event that the report reads, or None."""
    if "resourcePreEvent" in event:
        metadata = event["resourcePreEvent"]["metadata"]
        if metadata["op"] == "same":
            # The name of the stack stands in every URN, and sometimes nothing else changes.
            return {"resourcePreEvent": {"metadata": _only(metadata, ("op", "urn"))}} if is_stack(metadata) else None
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
    """Whether a step is that of the stack itself."""
    return "::pulumi:pulumi:Stack::" in metadata["urn"]


def _only(values: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: values[key] for key in keys if values.get(key)}


def trimmed_state(urn: str, state: dict[str, Any], operation: str) -> dict[str, Any]:
    """Inputs and outputs without what a report never reads."""
    package = urn.split("::")[2].rpartition("$")[2].partition(":")[0]
    kept: dict[str, Any] = {}
    for part in ("inputs", "outputs"):
        wanted = PROPERTIES.get(package, set())
        values = state.get(part) or {}
        if package == "kubernetes" and (part == "outputs" or operation != "update"):
            # Of what comes or goes only the name is told.
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
    """What `pulumi preview --json` printed, trimmed in the same way."""
    kept = [_only(step, ("op", "urn", "replaceReasons", "diffReasons", "detailedDiff")) for step in document["steps"]]
    for small, step in zip(kept, document["steps"], strict=True):
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
    if render(read(small)) != render(read(text)):
        sys.exit("trimming has changed the report: record.py drops something that the report reads")
    target = HERE / name / file
    target.parent.mkdir(exist_ok=True)
    target.write_text(small)
    print(f"{target}: {len(small)} of {len(text)} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
