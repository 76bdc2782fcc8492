"""The errors of a run, from its event log."""

import json
import re
from collections.abc import Iterator
from typing import Any

_COLOUR = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*[mK]")


def errors(events: str) -> Iterator[tuple[str, str]]:
    """The URN and the message of each error about a resource. `events` is the text of an event log."""
    for line in events.splitlines():
        try:
            event: dict[str, Any] = json.loads(line).get("diagnosticEvent") or {}
        except ValueError:
            continue  # a killed Pulumi leaves an incomplete last line
        if event.get("severity") == "error" and event.get("urn"):
            yield event["urn"], _COLOUR.sub("", event["message"])
