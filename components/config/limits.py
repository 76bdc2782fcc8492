"""What a program accepts of a value beyond its type: a test, and the words for what is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from components.config.flag_values import items, seconds


@dataclass(frozen=True)
class Limit:
    """Whether a program accepts a value that already has the right type."""

    accepts: Callable[[Any], bool]
    allowed: str

    def but_not_empty(self) -> Limit:
        """The same limit, which refuses the empty text."""
        return Limit(lambda value: value != "" and self.accepts(value), self.allowed)

    def or_empty(self) -> Limit:
        """The same limit, which accepts the empty text, too: the program takes its default."""
        return Limit(lambda value: value == "" or self.accepts(value), self.allowed)


def number(least: float, most: float | None = None, unit: str = "") -> Limit:
    """A number from `least` to `most`, both included. The value is a number, or the text of a flag."""
    words = f"at least {least}" if most is None else f"{least} to {most}"
    return Limit(lambda v: least <= float(v) and (most is None or float(v) <= most), f"{words} {unit}".rstrip())


def above(least: float) -> Limit:
    """A number above `least`."""
    return Limit(lambda value: float(value) > least, f"a number above {least}")


def time(least: str, most: str = "") -> Limit:
    """A duration from `least` to `most`."""
    first, last = seconds(least), seconds(most)

    def accepts(value: str) -> bool:
        given = seconds(value)
        return given is not None and first is not None and first <= given and (last is None or given <= last)

    return Limit(accepts, f"{least} to {most}" if most else f"at least {least}")


POSITIVE = Limit(lambda value: (seconds(value) or 0) > 0, "a duration above 0s")
"""A duration that is not zero."""


def one_of(*names: str) -> Limit:
    """One of some words. The empty word stands for the default of the program."""
    return Limit(lambda value: value in names, ", ".join(name or '""' for name in names))


def all_of(pattern: str, allowed: str) -> Limit:
    """Texts with commas between them, each of a shape; no text is accepted, too."""
    shape = re.compile(pattern, re.A)

    def accepts(value: str) -> bool:
        return value == "" or all(shape.fullmatch(part.strip()) for part in items(value))

    return Limit(accepts, allowed)
