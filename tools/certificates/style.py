"""Colours and patterns of the drawing.

Every element has its colour for a light background as an attribute, so a viewer without style sheets shows the colour.
If the viewer prefers a dark background, then the style sheet replaces the colours. Shapes and texts show everything
that colours show.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', Arial, sans-serif"
# Class -> attribute, colour on a light background, colour on a dark background.
_COLOURS = {
    "ground": ("fill", "#ffffff", "#0d1117"),
    "text": ("fill", "#1f2328", "#e6edf3"),
    "muted": ("fill", "#59636e", "#9198a1"),
    "grid": ("stroke", "#d1d9e0", "#30363d"),
    "valid": ("fill", "#3b7dc4", "#4c8dd6"),
    "window": ("fill", "#f6d08a", "#6b4a12"),
    "stripe": ("stroke", "#9a6700", "#e3a63a"),
    "due": ("fill", "#d1600a", "#f0883e"),
    "expired": ("fill", "#c4252d", "#f85149"),
    "endless": ("stroke", "#59636e", "#9198a1"),
}
_STRIPES = 6


def coloured(name: str) -> dict[str, str]:
    """The attributes of an element of this class."""
    attribute, light, _ = _COLOURS[name]
    return {"class": name, attribute: light}


def add_definitions(svg: Element) -> None:
    """Add the colours for dark viewers, and the pattern of the renewal window."""
    dark = "".join(f".{name}{{{attribute}:{colour}}}" for name, (attribute, _, colour) in _COLOURS.items())
    SubElement(svg, "style").text = f"@media (prefers-color-scheme:dark){{{dark}}}"
    size = str(_STRIPES)
    placed = {"patternUnits": "userSpaceOnUse", "patternTransform": "rotate(45)"}
    pattern = SubElement(SubElement(svg, "defs"), "pattern", {"id": "renewal", "width": size, "height": size, **placed})
    SubElement(pattern, "rect", {"width": size, "height": size, **coloured("window")})
    stripe = {"x1": "0", "y1": "0", "x2": "0", "y2": size, "stroke-width": "3"}
    SubElement(pattern, "line", stripe | coloured("stripe"))


WINDOW = {"class": "renewal", "fill": "url(#renewal)"}
"""Attributes of the part of a bar that shows the renewal window."""
