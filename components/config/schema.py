"""The JSON Schema of a stack's page, written from the models: `python -m components.config.schema`.

An editor with a YAML language server completes, explains and checks a page with the schema. The schema accepts every
page that `load` accepts. The schema does not know the rules over the whole page, so `load` refuses more.
"""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from components.config.durations import text
from components.config.errors import NAMESPACE
from components.config.flags import MANAGED_FIELDS, MANAGED_FLAGS
from components.config.introspect import bare_type, fields, is_section, rule_of, variants
from components.config.page import ExtraArgs, ExtraConfig, Page
from components.config.patterns import pattern_of
from components.config.section import Choice, Rule, Section

FILE = "hardway.schema.json"
"""Where the schema lies, in the root of the repository: the first line of every page names it."""

Schema = dict[str, Any]

# What Pulumi itself writes into the file of a stack, beside `config`.
_OF_PULUMI = {
    "secretsprovider": "The key service that encrypts the secrets of the stack.",
    "encryptedkey": "The key of the secrets, encrypted by the key service.",
    "encryptionsalt": "The salt of the passphrase that encrypts the secrets.",
}
_SECRET = {
    "type": "object",
    "description": "A secret, as `pulumi config set --secret` writes it.",
    "properties": {"secure": {"type": "string"}},
    "required": ["secure"],
    "additionalProperties": False,
}
_TYPES = {str: "string", int: "integer", bool: "boolean", list: "array", tuple: "array"}
_MANAGED = {ExtraArgs: MANAGED_FLAGS, ExtraConfig: MANAGED_FIELDS}
_LIMITS = re.compile(r"(\d+) to (\d+)\b")


def schema() -> Schema:
    """The schema of `Pulumi.<stack>.yaml`."""
    page = _section(Page)
    config = {
        "type": "object",
        "description": f"The page. Keys of hardway begin with `{NAMESPACE}:`; keys of providers may stand beside them.",
        "properties": {f"{NAMESPACE}:{key}": value for key, value in page["properties"].items()},
        "required": [f"{NAMESPACE}:{key}" for key in page["required"]],
        "patternProperties": {f"^(?!{NAMESPACE}:)[^:]+:.+$": {"description": "The setting of a provider."}},
        "additionalProperties": False,
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "The page of a hardway stack: Pulumi.<stack>.yaml",
        "type": "object",
        "properties": {
            "config": config,
            "environment": {"description": "Environments of Pulumi ESC."},
            **{key: {"type": "string", "description": meaning} for key, meaning in _OF_PULUMI.items()},
        },
        "required": ["config"],
        "additionalProperties": False,
    }


def _section(model: type[BaseModel]) -> Schema:
    """A mapping with known keys."""
    known = dict(fields(model))
    required = [key for key, field in known.items() if field.is_required()]
    managed = next((names for kind, names in _MANAGED.items() if model is kind), {})
    return {
        "type": "object",
        "properties": {key: _key(field, managed.get(key, {})) for key, field in known.items()},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _key(field: FieldInfo, managed: Mapping[str, str]) -> Schema:
    """One key of a section: the meaning, the rule, the default. A key without a value is an unset key."""
    found = _value(field)
    if managed:
        found["propertyNames"]["not"] = {"enum": list(managed)}
    meaning = " ".join((field.description or "").split())
    rule = rule_of(field)
    if isinstance(rule, Rule):
        meaning += f" Allowed: {rule.allowed}."
    described: Schema = {"description": meaning} if meaning else {}
    if field.is_required():
        return described | found
    default = field.get_default(call_default_factory=True)
    if default is not None and not isinstance(default, Section):
        described["default"] = _plain(default)
    return described | _or_nothing(found)


def _or_nothing(found: Schema) -> Schema:
    """The same schema, which accepts null as well."""
    if "anyOf" in found:
        return found | {"anyOf": [*found["anyOf"], {"type": "null"}]}
    nullable = dict(found)
    if "enum" in nullable:
        nullable["enum"] = [*nullable["enum"], None]
    if "type" in nullable:
        kinds = nullable["type"] if isinstance(nullable["type"], list) else [nullable["type"]]
        nullable["type"] = [*kinds, "null"]
    return nullable


def _value(annotation: Any) -> Schema:
    """The schema of the value of a key, or of an item of a list or mapping."""
    kind, rule = bare_type(annotation), rule_of(annotation)
    if models := variants(annotation):
        return _one_of(str(annotation.discriminator), models)
    if is_section(kind):
        return _section(kind)
    if get_origin(kind) is dict:
        names, values = get_args(kind)
        return {"type": "object", "propertyNames": _value(names), "additionalProperties": _value(values)}
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _value(get_args(kind)[0])} | _length(rule)
    if get_origin(kind) is Literal or isinstance(rule, Choice):
        return {"enum": list(get_args(kind))}
    return _ruled(rule) if isinstance(rule, Rule) else {}


def _one_of(key: str, models: Mapping[str, type[BaseModel]]) -> Schema:
    """One of several sections; the value of `key` selects the section, and the first section needs no value."""
    branches = {tag: {**_section(model), "type": ["object", "null"]} for tag, model in models.items()}
    default, *others = models
    found: Schema = branches[default]
    for tag in reversed(others):
        selected = {"required": [key], "properties": {key: {"const": tag}}}
        found = {"if": selected, "then": branches[tag], "else": found}
    # All tags, not only the one of the branch: an editor offers them.
    choice = {"enum": [*models], "default": default, "description": f"Allowed: {', '.join(models)}."}
    return {"type": "object", "properties": {key: _or_nothing(choice)}, **found}


def _ruled(rule: Rule) -> Schema:
    """A single value."""
    kinds = [_TYPES[kind] for kind in rule.accepts]
    found: Schema = {"type": kinds[0] if len(kinds) == 1 else kinds}
    if rule.accepts[0] is int:
        limits = _LIMITS.match(rule.allowed)
        if limits is None:
            raise ValueError(f"no limits in {rule.allowed!r}")
        found |= {"minimum": int(limits[1]), "maximum": int(limits[2])}
    # JSON Schema applies limits to numbers only, and patterns to strings only.
    if rule.accepts in ((str,), (int, str)):
        found |= pattern_of(rule)
    return {"anyOf": [found, _SECRET]} if rule.private else found


def _length(rule: Any) -> Schema:
    """How many items a list may have. Only the rule knows, so the function tries the rule."""
    if not isinstance(rule, Rule):
        return {}
    refused = [count for count in range(100) if rule.check([None] * count) is not None]
    least = next(count for count in range(100) if count not in refused)
    found = {"minItems": least} if least else {}
    most = next((count - 1 for count in refused if count > least), None)
    return found | ({"maxItems": most} if most is not None else {})


def _plain(value: Any) -> Any:
    """A default in the types of JSON."""
    if isinstance(value, Section):
        return _plain(value.model_dump(by_alias=True))
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return text(value) if isinstance(value, timedelta) else value


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
