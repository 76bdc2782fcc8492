"""Which specs are run, and which of them last: all, those that match an expression, or a few of every SIG. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from tools.common.errors import ToolError
from tools.conformance.specs import Spec

SHORT = Path(__file__).with_name("short.yaml")
"""Names of specs that together take a few minutes and touch every SIG."""


LAST = Path(__file__).with_name("last.yaml")
"""Names of specs that must not run before others."""


def short() -> list[str]:
    """The names in SHORT."""
    return _names(SHORT)


def last() -> list[str]:
    """The names in LAST."""
    return _names(LAST)


def _names(path: Path) -> list[str]:
    names: list[str] = yaml.safe_load(path.read_text())
    return names


def choose(known: Mapping[str, Spec], *, everything: bool, focus: str) -> list[Spec]:
    """The chosen specs. Raises ToolError if there is none, or if the short list names a spec that there is not."""
    if focus:
        try:
            wanted = re.compile(focus)
        except re.error as error:
            raise ToolError(f"FOCUS: {focus!r}: {error}; allowed: a regular expression") from None
        found = [spec for spec in known.values() if wanted.search(spec.name)]
        if not found:
            raise ToolError(f"FOCUS: {focus!r} is in the name of no spec of the conformance suite")
        return found
    if everything:
        return list(known.values())
    unknown = [name for name in short() if name not in known]
    if unknown:
        raise ToolError("\n".join(f"{SHORT.name}: there is no spec {name!r}" for name in unknown))
    return [known[name] for name in short()]
