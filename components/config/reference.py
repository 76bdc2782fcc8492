"""The reference of the configuration page, written from the models: `python -m components.config.reference`."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from inspect import cleandoc
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from components.config.changes import MEANING, Change, change_of
from components.config.durations import text
from components.config.errors import NAMESPACE
from components.config.flags import MANAGED_FIELDS, MANAGED_FLAGS
from components.config.introspect import bare_type, fields, is_section, rule_of, variants
from components.config.page import Page
from components.config.rules import RULES
from components.config.section import Rule, Section

INTRODUCTION = """\
# Configuration

The page of a stack is the file `Pulumi.<stack>.yaml`. Each heading below is one key, `hardway:<key>`. All keys except
`cluster` and `nodes`, and every key with a default, may be left out. A key without a value counts as left out.

The program refuses a wrong page before it makes anything, with one line per mistake: the path, the value, what is
allowed.

    hardway:nodes[2].roles[0]: 'master' is not allowed; allowed: etcd, control-plane, worker

A duration is a whole number and a unit (`30d`, `8760h`). A version needs quotes: YAML reads 3.10 as 3.1.

The column *change* says what an edit of the value does to a running cluster:

{changes}
This file is written by `python -m components.config.reference > docs/configuration.md`.
"""
_VARIANT = re.compile(r" \(\w+\)")
"""The tag of a provider in a path, as in `machines.endpoint (aws).public`."""
_HEAD = "| key | type | default | unit | meaning | rule | change |\n|---|---|---|---|---|---|---|\n"


def reference() -> str:
    """The whole reference as Markdown."""
    classes = "".join(f"- *{change}*: {MEANING[change]}\n" for change in Change)
    parts = [INTRODUCTION.format(changes=classes)]
    for key, field in fields(Page):
        rows = "".join(_row(*row) for row in _rows(key, field))
        parts.append(f"## {NAMESPACE}:{key}\n\n{_meaning(field)}\n\n{_HEAD}{rows}")
    rules = [f"- {cleandoc(rule.__doc__ or '')}\n" for rule in RULES]
    parts.append(f"## Rules over the whole page\n\n{''.join(rules)}")
    parts.append(_managed("flag", "extraArgs", MANAGED_FLAGS))
    parts.append(_managed("field", "extraConfig", MANAGED_FIELDS))
    return "\n".join(parts)


def _rows(path: str, field: FieldInfo) -> Iterator[tuple[str, FieldInfo]]:
    """Every key at and below `field` that holds a value, depth first, with its path."""
    kind = bare_type(field)
    models = variants(field) or ({"": kind} if is_section(kind) else {})
    if not models:
        yield path, field
        inner = bare_type(get_args(kind)[0]) if get_origin(kind) is tuple else None
        models, path = ({"": inner} if is_section(inner) else {}), f"{path}[]"
    for tag, model in models.items():
        for key, below in fields(model):
            yield from _rows(f"{path}.{key}" + (f" ({tag})" if len(models) > 1 else ""), below)


def _row(path: str, field: FieldInfo) -> str:
    change = change_of(_VARIANT.sub("", path))
    cells = (f"`{path}`", _kind(field), _default(field), _unit(field), _meaning(field), _rule(field), change)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _kind(field: Any) -> str:
    rule, kind = rule_of(field), bare_type(field)
    if get_origin(kind) is dict:
        return f"mapping of {_kind(get_args(kind)[0])} to {_kind(get_args(kind)[1])}"
    if get_origin(kind) is tuple:
        return f"list of {_kind(get_args(kind)[0])}"
    if is_section(kind):
        return "mappings"
    if kind is Any:
        return "any value"
    return rule.kind if isinstance(rule, Rule) else "choice"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return f"`{_yaml(value)}`" if (value := field.get_default(call_default_factory=True)) is not None else "unset"


def _yaml(value: Any) -> str:
    """A default as one would write it on the page."""
    if isinstance(value, Section):
        value = value.model_dump(by_alias=True)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_yaml(item) for item in value) + "]"
    if isinstance(value, timedelta):
        return text(value)
    if isinstance(value, bool):
        return str(value).lower()
    # Text that YAML would read as null or as a number needs quotes.
    return f'"{value}"' if isinstance(value, str) and re.fullmatch(r"[0-9.]*", value) else str(value)


def _unit(field: FieldInfo) -> str:
    rule = rule_of(field)
    return rule.unit if rule is not None else ""


def _meaning(field: FieldInfo) -> str:
    return " ".join((field.description or "").split())


def _rule(field: FieldInfo) -> str:
    kind = bare_type(field)
    if get_origin(kind) is Literal:
        return ", ".join(get_args(kind))
    # The row of a list or mapping also has the rules of its items.
    ruled = [field, *(part for part in get_args(kind) if part is not ...)]
    found = [(rule_of(part), bare_type(part)) for part in ruled]
    return "; each ".join(rule.allowed_for(inner) for rule, inner in found if rule is not None)


def _managed(what: str, key: str, known: Mapping[str, Mapping[str, str]]) -> str:
    lines = []
    for component, names in known.items():
        # Such a flag is the field in another spelling.
        fields_of = f"extraConfig.{component}."
        named = {name: instead for name, instead in names.items() if not instead.startswith(fields_of)}
        listed = ", ".join(f"`{name}`" + (f" (use `{instead}`)" if instead else "") for name, instead in named.items())
        more = f"; and each flag that is a field of its configuration file (use `{fields_of}FIELD`)"
        lines.append(f"- {component}: {listed}{more if len(named) < len(names) else ''}\n")
    return f"## Each {what} that hardway sets itself, and so refuses in `{key}`\n\n{''.join(lines)}"


if __name__ == "__main__":
    print(reference(), end="")
