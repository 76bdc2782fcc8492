"""Finds and adds keys in the text of a YAML page, so that comments and the style of the rest stay."""

from __future__ import annotations

from dataclasses import dataclass

import yaml


@dataclass(frozen=True)
class Found:
    """A key of a mapping with its value. Positions are indexes into the text."""

    value: yaml.Node
    key_end: int
    end: int
    indent: int
    """The column of the keys in the value; 0 if the value is not a mapping in block style, or is empty."""


def find(within: Found | yaml.Node | None, key: str) -> Found | None:
    """The key in a mapping, with its value. None if `within` is no mapping, or has no such key."""
    node = within.value if isinstance(within, Found) else within
    for name, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if name.value == key:
            is_block = isinstance(value, yaml.MappingNode) and not value.flow_style and value.value
            indent = value.value[0][0].start_mark.column if is_block else 0
            return Found(value, name.end_mark.index, _end(value), indent)
    return None


def _end(node: yaml.Node) -> int:
    """The index after the last character of a value. PyYAML puts the end of a block after the comments below it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


def insert(text: str, parent: Found, *lines: str) -> str:
    """Put lines directly below the line of a key, before the comments in its value."""
    at = text.index("\n", parent.key_end) + 1
    return text[:at] + "".join(f"{' ' * parent.indent}{line}\n" for line in lines) + text[at:]
