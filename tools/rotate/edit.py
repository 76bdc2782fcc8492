"""Writes generations of keys into the text of a page. The rest of the text, with its comments, does not change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from components.config.generations import Generations
from tools.common.errors import ToolError
from tools.operate.page_text import find, insert

_PKI, _GENERATIONS = "hardway:pki", "generations"


def with_generations(text: str, changes: Mapping[str, Generations], name: str) -> str:
    """The text of the page with the generations in `changes`, by their key below `pki.generations`.

    `name` is the file name of the page, for the message. Raises ToolError if this function cannot edit the style of the
    page, for example YAML anchors.
    """
    wanted = _changed(yaml.safe_load(text), changes)
    edited = None
    try:
        edited = _edited(text, {key: _flow(value) for key, value in changes.items()})
        is_right = edited is not None and yaml.safe_load(edited) == wanted
    except yaml.YAMLError:
        is_right = False
    if edited is None or not is_right:
        lines = "; ".join(f"{key}: {_flow(value)}" for key, value in changes.items())
        raise ToolError(f"{name}: {_PKI}.{_GENERATIONS} cannot be edited here; write it yourself: {lines}")
    return edited


def _flow(value: Generations) -> str:
    return f"{{trusted: [{', '.join(map(str, value.trusted))}], active: {value.active}}}"


def _changed(page: Any, changes: Mapping[str, Generations]) -> Any:
    config = dict(page.get("config") or {})
    pki = dict(config.get(_PKI) or {})
    new = {key: {"trusted": list(value.trusted), "active": value.active} for key, value in changes.items()}
    pki[_GENERATIONS] = dict(pki.get(_GENERATIONS) or {}) | new
    return {**page, "config": {**config, _PKI: pki}}


def _edited(text: str, values: Mapping[str, str]) -> str | None:
    for key, value in values.items():
        config = find(yaml.compose(text), "config")
        pki = find(config, _PKI)
        generations = find(pki, _GENERATIONS)
        found = find(generations, key)
        if found:
            text = f"{text[: found.key_end]}: {value}{text[found.end :]}"
        elif generations and generations.indent:
            text = insert(text, generations, f"{key}: {value}")
        elif pki and pki.indent and not generations:
            text = insert(text, pki, f"{_GENERATIONS}:", f"  {key}: {value}")
        elif config and config.indent and not pki:
            text = insert(text, config, f"{_PKI}:", f"  {_GENERATIONS}:", f"    {key}: {value}")
        else:
            return None
    return text
