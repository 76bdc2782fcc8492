"""Policy documents of IAM, as JSON or as a mapping.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html describes their elements.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

UNREADABLE: Mapping[str, Any] = {"Effect": "Allow", "Action": "*", "Resource": "*"}
"""In the place of a document that cannot be read: it may allow everything."""


def statements(document: Any) -> list[Mapping[str, Any]]:
    """The statements of a document. None if it is empty; UNREADABLE if it cannot be read."""
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError:
            return [UNREADABLE]
    if not isinstance(document, Mapping):
        return []
    found = document.get("Statement", document.get("statements", []))
    entries = found if isinstance(found, list) else [found]
    return [entry if isinstance(entry, Mapping) else UNREADABLE for entry in entries]


def values(statement: Mapping[str, Any], name: str) -> list[str]:
    """The texts of an element that is a text or a list of texts, such as Action."""
    found = statement.get(name)
    entries = found if isinstance(found, list) else [] if found is None else [found]
    return [entry if isinstance(entry, str) else "*" for entry in entries]
