"""Says in one sentence which machines did not answer, or went away, from what Pulumi wrote about a run that failed."""

import json
import re
from collections.abc import Iterator
from typing import Any

_COLOUR = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*[mK]")
# The command plugin's own words, the official one's too (provider/pkg/provider/remote/connection.go).
_DIAL = re.compile(
    r"(?P<what>dial[^:]*?) (?P<address>\S+:\d+): after (?P<dials>\d+) failed attempts: (?P<why>.*)", re.S
)
_OFFICIAL = re.compile(r"after (?P<dials>\d+) failed attempts: (?P<why>.*)", re.S)
# What Go's SSH client says of a command whose connection broke (ssh.ExitMissingError).
_BROKEN = "remote command exited without exit status or exit signal"
_STEP = re.compile(r"(?P<node>.+)-(?P<step>stage|activate)$")


def sentences(events: str, stack: str) -> list[str]:
    """One for each machine that did not answer or went away, in the order of failure. `events` is an event log."""
    found: dict[str, str] = {}
    for urn, message in _errors(events):
        step = _STEP.match(urn.rpartition("::")[2])
        sentence = _sentence(step["node"], step["step"], message) if step else ""
        if step and sentence and step["node"] not in found:
            found[step["node"]] = f"{sentence}; when it answers again, `make up STACK={stack}` goes on from here"
    return list(found.values())


def _sentence(node: str, step: str, message: str) -> str:
    failed = _DIAL.search(message) or _OFFICIAL.search(message)
    if failed:
        parts = failed.groupdict()
        where = f" at {parts['address']}" if "address" in parts else ""
        return (
            f"{node} did not answer by SSH{where} ({failed['dials']} attempts; {_last_cause(failed['why'])}): "
            f"nothing was changed on it by this run's {step}, what was done elsewhere is recorded"
        )
    if _BROKEN in message:
        return f"{node} went away while this run's {step} was at work on it, which may be half done"
    return ""


def _errors(events: str) -> Iterator[tuple[str, str]]:
    for line in events.splitlines():
        try:
            event: dict[str, Any] = json.loads(line).get("diagnosticEvent") or {}
        except ValueError:
            continue  # a killed Pulumi leaves half a line at the end
        if event.get("severity") == "error" and event.get("urn"):
            yield event["urn"], _COLOUR.sub("", event["message"])


def _last_cause(why: str) -> str:
    """The system's own words, which stand after the last colon of the first line."""
    return why.strip().splitlines()[0].rpartition(": ")[2]
