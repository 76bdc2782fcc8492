"""From raw values to a `Page`."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from components.config import rules
from components.config.authorities import GivenAuthority
from components.config.errors import HIDDEN, NAMESPACE, ConfigError, Finding, path_of
from components.config.findings import findings_of, is_public_at
from components.config.page import Page


def load(values: Mapping[str, Any], secret: Collection[str] = ()) -> Page:
    """The page from its top-level keys (`cluster`, `nodes`, ... without namespace).

    `secret` names the top-level keys whose values no message may show. Raises ConfigError with all findings: those
    about single values, or, if there are none, those about the page as a whole.
    """
    try:
        page = Page.model_validate(dict(values))
    except ValidationError as error:
        found = findings_of(error, Page, secret)
    else:
        found = [*rules.check(page), *plain_keys(page, secret)]
        if not found:
            return page
        found = _without({key: values[key] for key in secret if key in values}, found)
    raise ConfigError(found)


def plain_keys(page: Page, secret: Collection[str]) -> list[Finding]:
    """A finding for each token and each key, of an authority or a place of snapshots, that is in plain text.

    Pulumi tells for a top-level key only whether there is a secret in it. So if one of several keys is a secret, then
    all pass.
    """
    keys = {
        path: "sign"
        for name, given in page.authorities.on_page().items()
        for index, one in enumerate(given)
        for path in _keys_at(f"authorities.{name}[{index}]", one)
    }
    for name in ("secret_access_key", "private_key"):
        if page.backup and getattr(page.backup.to, name, None):
            keys[f"backup.to.{to_camel(name)}"] = "delete the snapshots"
    keys |= {f"access.tokens[{index}].token": "be this user" for index, _ in enumerate(page.access.tokens)}
    return [
        Finding(
            path,
            f"the value is on the page in plain text, so whoever reads the page can {what}",
            f"a secret, with `pulumi config set --secret --path '{NAMESPACE}:{path}' <FILE`; another key, if the page "
            "was ever stored",
        )
        for path, what in keys.items()
        if path.partition(".")[0] not in secret
    ]


def _keys_at(path: str, one: GivenAuthority) -> Iterator[str]:
    if one.private_key is not None:
        yield f"{path}.privateKey"
    if one.service is not None:
        yield f"{path}.service.authKey"


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
    private = {str(leaf) for path, leaf in _leaves(secret) if not is_public_at(path, Page)}
    texts = sorted(private - {""}, key=len, reverse=True)
    hidden = re.compile("|".join(rf"(?<!\w){re.escape(text)}(?!\w)" for text in texts)) if texts else None
    if hidden is None:
        return findings
    return [Finding(item.path, hidden.sub(HIDDEN, item.problem), hidden.sub(HIDDEN, item.allowed)) for item in findings]


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every single value, with its path."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    else:
        yield path, value
