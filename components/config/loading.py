"""From raw values to a `Page`."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from components.config import rules
from components.config.errors import HIDDEN, NAMESPACE, ConfigError, Finding, path_of
from components.config.findings import findings_of
from components.config.page import Page


def load(values: Mapping[str, Any], secret: Collection[str] = ()) -> Page:
    """The page from its top-level keys (`cluster`, `nodes`, ... without namespace).

    `secret` names the top-level keys whose values no message may show. Raises ConfigError with all findings: those
    about single values, or, when there are none, those about the page as a whole.
    """
    try:
        page = Page.model_validate(dict(values))
    except ValidationError as error:
        found = findings_of(error, Page, secret)
    else:
        found = rules.check(page)
        if not found:
            return page
        found = _without({key: values[key] for key in secret if key in values}, found)
    raise ConfigError(found)


def from_pulumi() -> Page:
    """The page of the running program's stack.

    Raises pulumi.RunError, which the engine prints without a stack trace.
    """
    import pulumi

    try:
        values, secret = _stack_values()
        return load(values, secret)
    except ConfigError as error:
        raise pulumi.RunError(str(error)) from None


def _stack_values() -> tuple[dict[str, Any], set[str]]:
    # pulumi.Config reads a key by name and cannot list them; an unknown key would go unnoticed.
    from pulumi.runtime import config

    given = config.get_config_env() | config.CONFIG.get()
    values: dict[str, Any] = {}
    found = []
    for full, raw in given.items():
        namespace, _, key = full.partition(":")
        if namespace != NAMESPACE:
            continue
        try:
            values[key] = _parsed(raw)
        except ValueError:
            found.append(Finding(path_of([key]), "is not valid JSON", "a mapping or list in the stack's YAML file"))
    if found:
        raise ConfigError(found)
    return values, {key for key in values if config.is_config_secret(f"{NAMESPACE}:{key}")}


def _parsed(raw: Any) -> Any:
    # Structured values arrive as JSON, plain ones as they are.
    return json.loads(raw) if isinstance(raw, str) and raw.lstrip()[:1] in ("{", "[") else raw


def _without(secret: Mapping[str, Any], findings: list[Finding]) -> list[Finding]:
    """The findings without the values in `secret`: a rule over the whole page may quote any value of it."""
    texts = sorted({str(leaf) for leaf in _leaves(secret)} - {""}, key=len, reverse=True)
    hidden = re.compile("|".join(rf"(?<!\w){re.escape(text)}(?!\w)" for text in texts)) if texts else None
    if hidden is None:
        return findings
    return [Finding(item.path, hidden.sub(HIDDEN, item.problem), hidden.sub(HIDDEN, item.allowed)) for item in findings]


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    else:
        yield value
