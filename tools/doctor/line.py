"""One line of the report."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """What was looked at, whether it is there, and the command or sentence that mends it.

    `needed`: `make up` cannot work without it. A line that is not needed is for people who want to know why.
    """

    what: str
    found: bool
    mend: str = ""
    needed: bool = True

    def text(self) -> str:
        """The line for people."""
        if self.found:
            return f"ok       {self.what}"
        return f"missing  {self.what}{'' if self.needed else ' (not needed here)'}\n         {self.mend}"
