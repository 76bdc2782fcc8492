"""Follows a file that another process makes and writes."""

from pathlib import Path
from typing import TextIO


class Tail:
    """Whole lines of a file, as they come. The file may not exist yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._begun = ""

    def lines(self) -> list[str]:
        """The lines that have ended since the last call."""
        if self._file is None:
            try:
                self._file = self._path.open(errors="replace")
            except FileNotFoundError:
                return []
        *lines, self._begun = (self._begun + self._file.read()).split("\n")
        return lines

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
