"""What programs accept, by minor version: flags and their types, fields of configuration files, feature gates.

`accepted.json` has it. `python -m tools.from_source.accepted` reads it from the programs and their sources.
"""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("accepted.json")


def flags(component: str, version: str) -> Mapping[str, str]:
    """The flags of a component with their types. Empty if nobody recorded them for the minor of `version`."""
    return _table("flags", component, _minor(version))


def flag_type(component: str, version: str, name: str) -> str:
    """The type of a flag, also if only other versions are recorded. '' if no version knows the flag."""
    rows = _recorded()["flags"].get(component, {"names": {}})["names"].get(name, [[""]])
    return str(flags(component, version).get(name) or rows[-1][0])


def fields(component: str, version: str) -> Mapping[str, Any]:
    """The fields of a component's configuration file: a tree of types. Empty if nobody recorded them.

    A type is a word; a list has one item, the type of its items; a mapping has the types of its fields, or '*' and the
    type of all its values.
    """
    return _table("fields", component, _minor(version))


def gates(product: str, version: str) -> Mapping[str, Mapping[str, Any]]:
    """The feature gates of a version of `kubernetes` or `etcd`.

    For each gate its `stage`, whether it is `on` if nobody sets it, whether it is `locked` to that, and the gates that
    it `needs`.
    """
    return _table("gates", product, _minor(version))


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


@functools.cache
def _table(kind: str, component: str, minor: str) -> Mapping[str, Any]:
    recorded = _recorded()[kind].get(component, {"versions": ()})
    if minor not in recorded["versions"]:
        return {}
    return {
        name: what
        for name, rows in recorded["names"].items()
        for what, *versions in rows
        if not versions or minor in versions[0].split()
    }


@functools.cache
def _recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found
