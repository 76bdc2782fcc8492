"""Documents of programs: the form of their text, and the project's values merged with the values of the page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def json_document(content: Mapping[str, Any]) -> str:
    """A document as JSON, which is YAML: only programs and diffs read these files."""
    return json.dumps(content, indent=2) + "\n"


def merged(ours: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    """`added` merged into `ours`: mappings are merged, any other value of `added` replaces the value of `ours`."""
    result = dict(ours)
    for key, value in added.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result
