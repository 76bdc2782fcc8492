"""Patterns of names, for settings of rules."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether `name` matches one of the `fnmatch` patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)
