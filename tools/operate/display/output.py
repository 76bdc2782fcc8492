"""Which lines of Pulumi's own output a person needs: everything but its lines about single resources."""

from __future__ import annotations

import re

_ROW = re.compile(r"^ ?(?:[-+~=<>]{1,2} {1,2}[a-z][\w-]*:[\w./-]*:\w+|   pulumi:pulumi:Stack) +[^\s(]")
"""A resource: the operation, the type, the name, and how far the operation is. The stack may have no operation.

Pulumi names a resource of its diagnostics in parentheses.
"""
_PROGRESS = re.compile(r"^ ?@ [a-z ]+\.{2,}\s*$|^Loading policy packs\.\.\.")


class Kept:
    """Takes Pulumi's output in pieces, as it comes, and gives back what is to be shown."""

    def __init__(self) -> None:
        self._begun = ""
        self._after_blank = True

    def feed(self, text: str) -> list[str]:
        """The lines to show. The beginning of a line waits for the rest of the line."""
        *lines, self._begun = (self._begun + text).split("\n")
        return [line for line in lines if self._shows(line)]

    def end(self) -> list[str]:
        """What waits, if the output has no line end at its end."""
        left, self._begun = self._begun, ""
        return [left] if left and self._shows(left) else []

    def _shows(self, line: str) -> bool:
        if _ROW.match(line) or _PROGRESS.match(line):
            return False
        blank = not line.strip()
        if blank and self._after_blank:
            return False
        self._after_blank = blank
        return True
