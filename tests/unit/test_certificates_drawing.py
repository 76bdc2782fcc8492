"""The calendar as SVG: well-formed, every bar inside its axis and of the right length, escaped, without other files."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest

from tools.certificates.axis import MOST_TICKS, Axis
from tools.certificates.drawing import PLOT_WIDTH, draw
from tools.certificates.rows import Kubelet, calendar

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"
NASTY = """<script>alert("x")</script> & 'y'"""
KEY = {"name": "encryption-2", "use": "encryption", "generation": 2, "active": True}
Box = tuple[float, float]


def entry(name: str, days: float, window: float, use: str = "server") -> dict[str, str]:
    """An entry of which `days` are left, with a renewal window of so many days."""
    end = NOW + timedelta(days=days)
    times = {"notAfter": end.isoformat(), "renewedFrom": (end - timedelta(days=window)).isoformat()}
    return {"name": name, "use": use, "issuer": "kubernetes-ca-1"} | times


CERTIFICATES = [
    entry("kubernetes-ca-1", 3650, 365, "authority"),
    entry("cp-1-apiserver", 400, 40),
    entry("cp-1-etcd-peer", 200, 20),
    entry("worker-1-kube-proxy", 10, 30),
    entry("gone-1-kube-proxy", 0.001, 30),
    entry("admin", -10, 10, "admin"),
]
KUBELETS = [Kubelet("cp-1", NOW + timedelta(days=100), "answers"), Kubelet("worker-1", None, "does not answer")]


def drawn(
    certificates: list[dict[str, str]] = CERTIFICATES, keys: Any = (KEY,), kubelets: Any = KUBELETS, stack: str = "dev"
) -> ElementTree.Element:
    nodes = ["worker-1", "cp-1"]
    return ElementTree.fromstring(draw(calendar(certificates, keys, kubelets, nodes, NOW), stack, nodes, NOW))  # noqa: S314


def rows_of(svg: ElementTree.Element) -> dict[str, ElementTree.Element]:
    """The rows by name, in the order of the drawing."""
    return {str(row.findtext(f"{SVG}text")): row for row in svg.findall(f"{SVG}g[@class='row']")}


def bars_of(row: ElementTree.Element) -> dict[str, Box]:
    """Left end and width of the bars of a row, by class."""
    found = row.findall(f"{SVG}rect")
    return {str(bar.get("class")): (float(bar.get("x", "")), float(bar.get("width", ""))) for bar in found}


def left_of(svg: ElementTree.Element) -> float:
    """Where the time axes begin."""
    (now,) = {text.get("x") for text in svg.iter(f"{SVG}text") if text.text == "now"}
    return float(now or "")


def test_each_certificate_and_each_key_is_a_row_in_its_group() -> None:
    svg = drawn()
    headings = [text.text for text in svg.findall(f"{SVG}text[@font-weight]")]
    groups = ["authorities", "keys", "worker-1", "cp-1", "other machines", "people", "kubelets"]
    assert headings == ["Certificates and keys of stack dev", *groups]
    assert list(rows_of(svg)) == [
        *("kubernetes-ca-1", "encryption-2", "worker-1-kube-proxy", "cp-1-etcd-peer", "cp-1-apiserver"),
        *("gone-1-kube-proxy", "admin", "cp-1-kubelet-client", "worker-1-kubelet-client"),
    ]


def test_bars_lead_from_now_to_the_end_and_the_window_is_their_last_part() -> None:
    svg = drawn()
    rows, left = rows_of(svg), left_of(svg)
    # The longest of each part reaches the end of its axis: ten years, and 400 days.
    authority, longest = bars_of(rows["kubernetes-ca-1"]), bars_of(rows["cp-1-apiserver"])
    for bars in (authority, longest):
        assert bars["valid"] == (left, pytest.approx(PLOT_WIDTH * 0.9, abs=0.1))
        assert bars["renewal"] == (pytest.approx(left + PLOT_WIDTH * 0.9, abs=0.1), pytest.approx(56, abs=0.1))
    half = bars_of(rows["cp-1-etcd-peer"])
    assert half["valid"][1] + half["renewal"][1] == pytest.approx(PLOT_WIDTH / 2, abs=0.1)
    assert bars_of(rows["worker-1-kube-proxy"]) == {"due": (left, pytest.approx(PLOT_WIDTH / 40, abs=0.1))}
    assert bars_of(rows["cp-1-kubelet-client"]) == {"valid": (left, pytest.approx(PLOT_WIDTH / 4, abs=0.1))}


def test_what_has_no_length_is_seen_as_well() -> None:
    svg = drawn()
    rows, left = rows_of(svg), left_of(svg)
    assert bars_of(rows["admin"]) == {"expired": (left, 6)}
    assert bars_of(rows["gone-1-kube-proxy"]) == {"due": (left, 2)}
    assert bars_of(rows["worker-1-kubelet-client"]) == {}
    (line,) = rows["encryption-2"].findall(f"{SVG}line")
    assert (line.get("x1"), line.get("x2")) == (f"{left:.1f}", f"{left + PLOT_WIDTH:.1f}")


def test_all_is_inside_the_drawing_and_rows_do_not_overlap() -> None:
    svg = drawn()
    width, height = (float(svg.get(name, "")) for name in ("width", "height"))
    assert svg.get("viewBox") == f"0 0 {width:g} {height:g}"
    shapes = [rect for rect in svg.iter(f"{SVG}rect") if rect.get("x")]
    assert len(shapes) == 4 + 10  # the legend, and the bars of the rows
    for rect in shapes:
        x, y, wide, high = (float(rect.get(name, "")) for name in ("x", "y", "width", "height"))
        assert 0 <= x <= x + wide <= width and 0 <= y <= y + high <= height
    for text in svg.iter(f"{SVG}text"):
        assert 0 <= float(text.get("x", "")) < width and 0 < float(text.get("y", "")) < height, text.text
    baselines = [float(row.find(f"{SVG}text").get("y", "")) for row in rows_of(svg).values()]  # type: ignore[union-attr]
    assert min(below - above for above, below in pairwise(baselines)) >= 18


def test_each_row_tells_generation_issuer_end_and_renewal_in_text() -> None:
    svg = drawn()
    found = {name: [text.text for text in row.findall(f"{SVG}text")] for name, row in rows_of(svg).items()}
    dates = "2027-06-09", "200.0", "2027-05-20"
    assert found["cp-1-etcd-peer"] == ["cp-1-etcd-peer", *dates, "1", "kubernetes-ca-1", "valid"]
    assert found["encryption-2"] == ["encryption-2", "-", "-", "-", "2", "-", "active"]
    assert found["worker-1-kubelet-client"][-1] == "does not answer"


def test_names_are_text_and_nothing_else() -> None:
    """They come back whole, and make no elements."""
    nasty = [entry(NASTY, 100, 10), entry("n" * 200, 100, 10)]
    svg = drawn(nasty, (), (), stack=NASTY)
    assert svg.findtext(f"{SVG}title") == f"Certificates and keys of stack {NASTY}"
    assert {element.tag.removeprefix(SVG) for element in svg.iter()} == {
        *("svg", "title", "style", "defs", "pattern", "rect", "line", "text", "g")
    }
    titles = [str(row.findtext(f"{SVG}title")) for row in rows_of(svg).values()]
    assert titles[0].startswith(f"name {NASTY}, use server, gen 1, issuer kubernetes-ca-1, ends 2027-03-01, ")
    assert titles[1].startswith(f"name {'n' * 200}, ")
    # A long name is cut in its column; nothing else would keep the label off the bars.
    assert float(svg.get("width", "")) < 1600 and list(rows_of(svg))[1].endswith("…")


def test_a_drawing_needs_no_other_file_and_has_colours_for_both_backgrounds() -> None:
    svg = drawn()
    text = ElementTree.tostring(svg, encoding="unicode")
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]
    assert (
        set(re.findall(r"url\(([^)]*)\)", text)) == {"#renewal"} and "@import" not in text and "@font-face" not in text
    )
    style = str(svg.findtext(f"{SVG}style"))
    dark = dict(re.findall(r"\.(\w+)\{(\w+:#\w+)\}", style.partition("prefers-color-scheme:dark")[2]))
    coloured = [element for element in svg.iter() if element.get("class") not in (None, "row", "renewal")]
    assert coloured
    for element in coloured:
        attribute, colour = dark[str(element.get("class"))].split(":")
        assert element.get(attribute, "").startswith("#")
        assert element.get(attribute) != colour


def test_nothing_at_all_is_a_drawing_too() -> None:
    svg = drawn([], (), ())
    assert rows_of(svg) == {} and float(svg.get("height", "")) > 0


@pytest.mark.parametrize(
    ("days", "first", "second"),
    [
        (1, None, None),
        (30, "11-28", "12-05"),
        (100, "2026-12", "2027-01"),
        (365, "2027-01", "2027-03"),
        (900, "2027-01", "2027-07"),
        (3650, "2028", "2030"),
        (36500, "2040", "2060"),
    ],
)
def test_ticks_are_weeks_months_or_years(days: int, first: str | None, second: str | None) -> None:
    axis = Axis.until(NOW + timedelta(days=days), NOW, 100, 600)
    ticks = axis.ticks()
    assert [label for _, label in ticks][:2] == [label for label in (first, second) if label]
    assert len(ticks) <= MOST_TICKS
    places = [axis.at(moment) for moment, _ in ticks]
    assert places == sorted(places) and all(100 < place <= 600 for place in places)


def test_an_axis_without_an_end_is_a_day_long() -> None:
    for latest in (None, NOW - timedelta(days=3)):
        axis = Axis.until(latest, NOW, 0, 24)
        assert [axis.at(NOW + timedelta(hours=hours)) for hours in (-5, 0, 6, 24, 30)] == [0, 0, 6, 24, 24]
