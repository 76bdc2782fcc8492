"""The calendar as a table of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from tools.certificates.rows import Row

WIDTH = 120
"""The largest width of the table in characters."""
COLUMNS = ("NAME", "USE", "GEN", "ISSUER", "ENDS", "DAYS", "RENEWAL", "STATE")
"""GEN is the generation, DAYS are the days from now to the end, RENEWAL is the day from which `up` renews."""

_GAP = "  "
_NONE = "-"


def lines(rows: Iterable[Row], now: datetime) -> Iterator[str]:
    """A heading and the rows, in their order, in lines of at most `WIDTH` characters. Dates are in UTC.

    If a name is too long for its column, then the name has its own line, and the rest of the row is the next line.
    """
    table = [COLUMNS, *(tuple(cells(row, now).values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    rest = sum(widths[1:]) + len(_GAP) * (len(widths) - 1)
    widths[0] = max(len(COLUMNS[0]), min(widths[0], WIDTH - rest))
    for name, *others in table:
        is_long = len(name) > widths[0]
        if is_long:
            yield name
        shown = ("" if is_long else name, *others)
        yield _GAP.join(cell.ljust(width) for cell, width in zip(shown, widths, strict=True)).rstrip()


def cells(row: Row, now: datetime) -> dict[str, str]:
    """The texts of the row, by column."""
    days = row.days_left(now)
    found = (
        row.name,
        row.use,
        "" if row.generation is None else str(row.generation),
        row.issuer,
        date(row.ends),
        "" if days is None else f"{days:.1f}",
        "by kubelet" if row.kind == "kubelet" else date(row.renewed_from),
        row.state,
    )
    return {column: cell or _NONE for column, cell in zip(COLUMNS, found, strict=True)}


def date(moment: datetime | None) -> str:
    """The day of a time in UTC, `2027-11-21`; empty if there is no time."""
    return "" if moment is None else f"{moment:%Y-%m-%d}"
