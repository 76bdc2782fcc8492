"""Reads one line of the engine's event log.

https://github.com/pulumi/pulumi/blob/master/sdk/go/common/apitype/events.go has the form of the log.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum

from components.resource_names import name_of


class Kind(Enum):
    """What happens to a resource. The value is the field of the event in the log."""

    BEGUN = "resourcePreEvent"
    DONE = "resOutputsEvent"
    FAILED = "resOpFailedEvent"
    TOLD = "diagnosticEvent"


@dataclass(frozen=True)
class Event:
    """One event about a resource. `operation` is the engine's, such as `create`; `told` is a message about it."""

    kind: Kind
    urn: str
    type: str
    operation: str = ""
    told: str = ""

    @property
    def name(self) -> str:
        """The logical name of the resource."""
        return name_of(self.urn)


def read(line: str) -> Event | None:
    """The event in a line of the log. None if the line is about no resource, or has a form that is not known."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    kind = next((kind for kind in Kind if isinstance(entry, dict) and isinstance(entry.get(kind.value), dict)), None)
    if kind is None:
        return None
    content = entry[kind.value]
    if kind is Kind.TOLD:
        # Messages for debugging tell of each event of an object, and not of what is waited for.
        if not content.get("urn") or content.get("severity") == "debug":
            return None
        return Event(kind, content["urn"], _type_in(content["urn"]), told=str(content.get("message", "")).strip())
    metadata = content.get("metadata") or {}
    if not {"urn", "type", "op"} <= set(metadata):
        return None
    return Event(kind, metadata["urn"], metadata["type"], metadata["op"])


def _type_in(urn: str) -> str:
    parts = urn.split("::")
    return parts[2].rpartition("$")[2] if len(parts) > 2 else ""
