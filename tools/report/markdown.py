"""Markdown for GitHub, kept below the size of a comment. Text from outside is always in code spans."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

LIMIT = 60_000
"""Bytes of a report. GitHub accepts 65,536 characters."""

_LONGEST = 300
_FOLD = 12
# The last ones show text in another order than it is: https://www.unicode.org/reports/tr9/#Directional_Formatting_Codes.
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


@dataclass(frozen=True)
class Section:
    """A heading, a text, and items (rows of a table if there are `columns`). The last items may be left out.

    A table of more than a dozen rows is folded: a click opens it.
    """

    title: str
    items: tuple[str, ...]
    text: str = ""
    columns: tuple[str, ...] = ()
    left_out: int = 0

    def render(self) -> str:
        """The section as Markdown."""
        parts = [f"### {self.title}", *([self.text] if self.text else [])]
        items = list(self.items)
        if self.columns:
            items = [row(self.columns), row("---" for _ in self.columns), *items]
        body = "\n".join(items).rstrip("\n")
        if self.columns and len(self.items) > _FOLD:
            body = f"<details><summary>show</summary>\n\n{body}\n\n</details>"
        parts += [body] if self.items else []
        if self.left_out:
            parts.append(f"… and {self.left_out} more, left out for size: the terminal output of the preview has them.")
        return "\n\n".join(parts)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Section:
    """A section that is a table; a column without any value is left out."""
    rows = [tuple(cells) for cells in rows]
    kept = [index for index in range(len(columns)) if any(cells[index] for cells in rows)]
    return Section(
        title,
        tuple(row(cells[index] for index in kept) for cells in rows),
        columns=tuple(columns[index] for index in kept),
    )


def code(value: object) -> str:
    """Any text as a code span of one line: GitHub reads nothing in it as Markdown, HTML or a user's name."""
    text = _CONTROL.sub(" ", str(value)).strip()
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    space = " " if not text or text[0] == "`" or text[-1] == "`" else ""
    return f"{fence}{space}{text or '(empty)'}{space}{fence}"


def codes(values: Iterable[object], separator: str = ", ") -> str:
    """Several code spans."""
    return separator.join(code(value) for value in values)


def row(cells: Iterable[str]) -> str:
    """A row of a table. Bars are escaped: in a table a bar ends a cell even inside a code span."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def count(number: int, noun: str) -> str:
    """A number with its noun: `1 node`, `2 nodes`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def join(head: str, sections: Sequence[Section], foot: str, limit: int = LIMIT) -> str:
    """The whole report in at most `limit` bytes: the longest section loses items until the report fits."""
    sections = list(sections)
    while True:
        text = "\n\n".join(part for part in (head, *(s.render() for s in sections), foot) if part) + "\n"
        if len(text.encode()) <= limit or not any(section.items for section in sections):
            return text
        sizes = [sum(len(item.encode()) for item in section.items) for section in sections]
        longest = sizes.index(max(sizes))
        section = sections[longest]
        kept = len(section.items) * 3 // 4
        sections[longest] = replace(
            section, items=section.items[:kept], left_out=section.left_out + len(section.items) - kept
        )
