"""Counts finished specs in the output of ginkgo (`-v --no-color`), while it runs. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_DONE = re.compile(r"^• (?:\[(?P<state>[A-Z ]+)\] )?\[[0-9.]+ seconds\]$")
_NAME = re.compile(r"^\[sig-")


@dataclass
class Watch:
    """How far a run of `total` specs is."""

    total: int
    passed: int = 0
    failed: list[str] = field(default_factory=list)
    _wants_name: bool = False

    def read(self, line: str) -> str:
        """Take the next line of the output. Returns the name of a spec that failed, when the line has it."""
        found = _DONE.match(line)
        if found and found["state"] == "INTERRUPTED":
            # The user ended it. It says nothing about the cluster.
            self._wants_name = False
        elif found:
            self._wants_name = found["state"] is not None
            self.passed += found["state"] is None
        elif self._wants_name and _NAME.match(line):
            self._wants_name = False
            self.failed.append(line.strip())
            return line.strip()
        return ""

    def said(self) -> str:
        """The numbers, for the progress."""
        return (
            f"{self.passed + len(self.failed)} of {self.total} specs: {self.passed} passed, {len(self.failed)} failed"
        )
