"""Nested documents: defaults of ours with what the page adds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merged(ours: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    """`added` over `ours`; where both have a mapping the two are merged, anything else is replaced."""
    result = dict(ours)
    for key, value in added.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result
