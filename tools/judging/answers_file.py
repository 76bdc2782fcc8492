"""Files with the project's answers to what a judge from outside finds: a mapping in YAML, an entry for each finding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tools.common.errors import ToolError

T = TypeVar("T")


def read_answers(
    files: Mapping[Path, str],
    what: str,
    mistakes_of: Callable[[Any, Any], Iterable[str]],
    make: Callable[[str, Mapping[str, Any]], T],
) -> dict[str, T]:
    """The answers in the texts of these files, by what they answer. A later file has priority.

    `what` says in messages what the keys are. `mistakes_of` gets key and entry; `make` gets the text of the answer on
    one line, and an entry without mistakes. Raises ToolError, with all mistakes, if a file is wrong.
    """
    found: dict[str, T] = {}
    mistakes: list[str] = []
    for path, text in files.items():
        try:
            document = yaml.safe_load(text) or {}
        except yaml.YAMLError as error:
            raise ToolError(f"{path}: no YAML: {error}") from None
        if not isinstance(document, dict):
            raise ToolError(f"{path}: {document!r}; allowed: a mapping of {what} to answers")
        for key, entry in document.items():
            wrong = list(mistakes_of(key, entry))
            mistakes += [f"{path.name}: {key}: {mistake}" for mistake in wrong]
            if not wrong:
                found[key] = make(" ".join(entry["answer"].split()), entry)
    if mistakes:
        raise ToolError("\n".join(mistakes))
    return found
