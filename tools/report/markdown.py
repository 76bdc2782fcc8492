"""Markdown for GitHub, kept below the size of a comment. Text from outside is always in code spans."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

LIMIT = 60_000
"""Bytes of a report. GitHub accepts 65,536 characters."""

_LONGEST = 300
_MOST_NAMES = 100
_LEAST_RUN = 4
_NUMBERED = re.compile(r"(.*?)([0-9]+)")
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


def named(names: Iterable[str], separator: str = ", ") -> str:
    """Several names in code spans. Four or more with consecutive numbers are one entry, `worker-1` … `worker-500`.

    There are at most a hundred entries: the names of a large cluster alone would fill a comment.
    """
    runs: list[list[str]] = []
    for name in names:
        if runs and _follows(runs[-1][-1], name):
            runs[-1].append(name)
        else:
            runs.append([name])
    entries = [entry for run in runs for entry in _entries(run)]
    left_out = sum(count for _, count in entries[_MOST_NAMES:])
    texts = [text for text, _ in entries[:_MOST_NAMES]]
    return separator.join([*texts, *([f"… and {left_out} more"] if left_out else [])])


def _entries(run: list[str]) -> list[tuple[str, int]]:
    """The texts for names with consecutive numbers, each with the number of its names."""
    if len(run) < _LEAST_RUN:
        return [(code(name), 1) for name in run]
    return [(f"{code(run[0])} … {code(run[-1])} ({len(run)})", len(run))]


def _follows(before: str, after: str) -> bool:
    """Whether two names differ in the number at their end only, and the second number is the next one."""
    one, other = _NUMBERED.fullmatch(before), _NUMBERED.fullmatch(after)
    if not (one and other and one[1] == other[1] and int(one[2]) + 1 == int(other[2])):
        return False
    # No reader expects `n010` between `n9` and `n11`.
    return len(one[2]) == len(other[2]) or "0" not in (one[2][0], other[2][0])


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
