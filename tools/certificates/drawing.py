"""The calendar as a drawing: SVG 1.1 without scripts and without fonts of its own.

A bar begins now and ends at the end of its certificate; the renewal window is hatched. Authorities are valid for years
and leaves for months. Therefore the drawing has two parts with different time axes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from tools.certificates.axis import Axis
from tools.certificates.rows import Kind, Row
from tools.certificates.style import FONT, WINDOW, add_definitions, coloured
from tools.certificates.table import cells

PLOT_WIDTH = 560
ROW, BAR = 18, 12
_MARGIN, _CHARACTER, _LABEL_MOST = 16, 6.6, 420
# Columns of text to the right of the bars, with their widths in pixels.
_FACTS = {"ENDS": 78, "DAYS": 56, "RENEWAL": 78, "GEN": 38, "ISSUER": 120, "STATE": 96}
_QUIET = ("valid", "active", "trusted")
_LEAST_BAR, _EXPIRED_BAR, _TICK_GAP = 2.0, 6.0, 30.0

Group = tuple[str, list[Row]]


def draw(rows: Iterable[Row], stack: str, nodes: Sequence[str], now: datetime) -> str:
    """The drawing as XML text. `nodes` are the names of nodes, in the order of the drawing."""
    rows = list(rows)
    left = _MARGIN + min(_LABEL_MOST, _CHARACTER * max((len(row.name) for row in rows), default=0)) + _MARGIN
    page = _Page(stack, now, left, left + PLOT_WIDTH)
    for part in _parts(rows, nodes):
        page.part(part)
    return page.finish()


def _parts(rows: Sequence[Row], nodes: Sequence[str]) -> Iterator[list[Group]]:
    """The two parts: authorities and keys; then machines, people and kubelets. A part is groups with one time axis."""
    yield _filled([("authorities", _of(rows, "authority")), ("keys", _of(rows, "key"))])
    machines = _of(rows, "machine")
    by_node = [(node, [row for row in machines if row.node == node]) for node in nodes]
    others = [row for row in machines if row.node not in nodes]
    more = [("other machines", others), ("people", _of(rows, "person")), ("kubelets", _of(rows, "kubelet"))]
    yield _filled([*by_node, *more])


def _filled(groups: Iterable[Group]) -> list[Group]:
    return [group for group in groups if group[1]]


def _of(rows: Iterable[Row], kind: Kind) -> list[Row]:
    return [row for row in rows if row.kind == kind]


class _Page:
    """An SVG that grows downwards. `left` and `right` are the ends of the time axes (pixels)."""

    def __init__(self, stack: str, now: datetime, left: float, right: float) -> None:
        self._now, self._left, self._right = now, left, right
        self._width = right + _MARGIN + sum(_FACTS.values())
        self._svg = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img", "font-family": FONT})
        heading = f"Certificates and keys of stack {stack}"
        SubElement(self._svg, "title").text = heading
        add_definitions(self._svg)
        SubElement(self._svg, "rect", {"width": "100%", "height": "100%", **coloured("ground")})
        self._text(_MARGIN, 28, heading, size=16, bold=True)
        self._text(_MARGIN, 46, f"From {now:%Y-%m-%d %H:%M} UTC to the end of each certificate", colour="muted")
        self._y = 64.0
        self._legend()

    def part(self, groups: Sequence[Group]) -> None:
        """Add groups of rows, with one axis for these groups."""
        if not groups:
            return
        ends = [row.ends for _, rows in groups for row in rows if row.ends is not None]
        axis = Axis.until(max(ends, default=None), self._now, self._left, self._right)
        self._y += 24
        top = self._y
        grid = SubElement(self._svg, "g")
        for name, rows in groups:
            self._y += 6
            self._text(_MARGIN, self._y + 13, name, bold=True)
            self._y += ROW
            for row in rows:
                self._row(row, axis)
        self._grid(grid, axis, top, bool(ends))
        self._y += 8

    def finish(self) -> str:
        """The text of the SVG."""
        height = self._y + _MARGIN
        self._svg.set("viewBox", f"0 0 {_number(self._width)} {_number(height)}")
        self._svg.set("width", _number(self._width))
        self._svg.set("height", _number(height))
        indent(self._svg, "  ")
        return tostring(self._svg, encoding="unicode") + "\n"

    def _legend(self) -> None:
        x = float(_MARGIN)
        for attributes, text in (
            (coloured("valid"), "valid"),
            (WINDOW, "renewal window: make up renews"),
            (coloured("due"), "due: the renewal window has begun"),
            (coloured("expired"), "expired"),
        ):
            self._rectangle(self._svg, x, self._y, 24, attributes)
            self._text(x + 30, self._y + 10, text, colour="muted")
            x += 30 + len(text) * _CHARACTER + 18
        self._endless(self._svg, x, x + 24, self._y + BAR / 2)
        self._text(x + 30, self._y + 10, "no end", colour="muted")
        self._width = max(self._width, x + 30 + len("no end") * _CHARACTER + _MARGIN)
        self._y += BAR

    def _row(self, row: Row, axis: Axis) -> None:
        group = SubElement(self._svg, "g", {"class": "row"})
        facts = cells(row, self._now)
        SubElement(group, "title").text = ", ".join(f"{column.lower()} {cell}" for column, cell in facts.items())
        self._text(_MARGIN + 8, self._y + 13, _shortened(row.name), group)
        y = self._y + (ROW - BAR) / 2
        if row.state == "expired":
            self._rectangle(group, axis.left, y, _EXPIRED_BAR, coloured("expired"))
        elif row.ends is not None:
            self._bar(group, row, row.ends, axis, y)
        elif row.kind == "key":
            self._endless(group, axis.left, axis.right, y + BAR / 2)
        self._facts(facts, self._y + 13, group, "muted" if row.state in _QUIET else "text")
        self._y += ROW

    def _facts(self, facts: Mapping[str, str], y: float, parent: Element, colour: str) -> None:
        x = self._right + _MARGIN
        for column, width in _FACTS.items():
            self._text(x, y, facts[column], parent, colour=colour)
            x += width

    def _bar(self, group: Element, row: Row, ends: datetime, axis: Axis, y: float) -> None:
        end = max(axis.at(ends), axis.left + _LEAST_BAR)
        if row.state == "due":
            self._rectangle(group, axis.left, y, end - axis.left, coloured("due"))
            return
        window = min(axis.at(row.renewed_from or ends), end)
        self._rectangle(group, axis.left, y, window - axis.left, coloured("valid"))
        if row.renewed_from:
            self._rectangle(group, window, y, end - window, WINDOW)

    def _grid(self, grid: Element, axis: Axis, top: float, has_ends: bool) -> None:
        self._facts({column: column for column in _FACTS}, top - 4, grid, "muted")
        ticks = axis.ticks() if has_ends else []
        for x, label in [(axis.left, "now"), *((axis.at(moment), text) for moment, text in ticks)]:
            SubElement(
                grid,
                "line",
                {"x1": _number(x), "x2": _number(x), "y1": _number(top), "y2": _number(self._y), **coloured("grid")},
            )
            if label == "now" or x - axis.left > _TICK_GAP:
                self._text(x, top - 4, label, grid, colour="muted", middle=True)

    def _rectangle(self, parent: Element, x: float, y: float, width: float, attributes: dict[str, str]) -> None:
        box = {"x": x, "y": y, "width": width, "height": BAR}
        SubElement(parent, "rect", {name: _number(value) for name, value in box.items()} | attributes)

    def _endless(self, parent: Element, left: float, right: float, y: float) -> None:
        ends = {"x1": left, "x2": right, "y1": y, "y2": y}
        line = {name: _number(value) for name, value in ends.items()}
        SubElement(parent, "line", line | {"stroke-width": "2", "stroke-dasharray": "5 4", **coloured("endless")})

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        parent: Element | None = None,
        *,
        size: int = 11,
        bold: bool = False,
        middle: bool = False,
        colour: str = "text",
    ) -> None:
        attributes = {"x": _number(x), "y": _number(y), "font-size": str(size), **coloured(colour)}
        attributes |= {"font-weight": "600"} if bold else {}
        attributes |= {"text-anchor": "middle"} if middle else {}
        SubElement(self._svg if parent is None else parent, "text", attributes).text = text


def _shortened(name: str) -> str:
    most = int(_LABEL_MOST / _CHARACTER)
    return name if len(name) <= most else name[: most - 1] + "…"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
