"""pydantic's errors as findings: what was wrong in our words, and what is allowed as the models say it."""

from collections.abc import Collection, Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from components.config.errors import HIDDEN, Finding, path_of, shown
from components.config.section import RULE_ERROR, Choice, Rule


def findings_of(error: ValidationError, model: type[BaseModel], secret: Collection[str]) -> list[Finding]:
    """One finding per error. Values below a top-level key in `secret` are not shown."""
    found = []
    for details in error.errors(include_url=False):
        parts, field = _resolve(model, details["loc"])
        value = HIDDEN if parts and parts[0] in secret else shown(details["input"])
        found.append(_finding(details, parts, field, value))
    return found


def _finding(details: ErrorDetails, parts: list[str | int], field: Any, value: str) -> Finding:
    path, context = path_of(parts), details.get("ctx", {})
    match details["type"]:
        case str(kind) if kind == RULE_ERROR:
            return Finding(path, f"{value} {context['problem']}", context["allowed"])
        case "extra_forbidden":
            return Finding(path, f"{str(parts[-1])!r} is not a known key", ", ".join(_keys(_type_of(field))))
        case "missing":
            return Finding(path, "is missing", _allowed(field))
        case "union_tag_invalid":
            allowed = context["expected_tags"].replace("'", "")
            name = context["discriminator"].strip("'")
            return Finding(path_of([*parts, name]), f"{shown(context['tag'])} is not allowed", allowed)
        case "tuple_type":
            return Finding(path, f"{value} is not a list", "a list")
        case "model_type" | "dict_type" | "model_attributes_type":
            return Finding(path, f"{value} is not a mapping", _allowed(field))
        case _:
            # A kind of error that no model of ours makes today: still a sentence with path and value.
            return Finding(path, f"{value} is not accepted", _allowed(field))


def _resolve(model: type[BaseModel], location: tuple[str | int, ...]) -> tuple[list[str | int], Any]:
    """The path without pydantic's own marks, and the annotation or field at its end (at an unknown key: its parent)."""
    parts: list[str | int] = []
    here: Any = model
    for part in location:
        if part == "[key]":
            break
        inner = _type_of(here)
        tagged = {_tag(option): option for option in _sections(here)}
        if isinstance(part, str) and part in tagged and not _is_key(inner, part):
            here = tagged[part]
            continue
        parts.append(part)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            here = next((field for name, field in _fields(inner) if name == part), here)
        elif get_args(inner):
            here = get_args(inner)[1] if get_origin(inner) is dict else get_args(inner)[0]
    return parts, here


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        yield field.alias or name, field


def _is_key(inner: Any, part: str) -> bool:
    return isinstance(inner, type) and issubclass(inner, BaseModel) and part in _keys(inner)


def _keys(inner: Any) -> list[str]:
    return [name for name, _ in _fields(inner)]


def _sections(annotation: Any) -> list[type[BaseModel]]:
    """The models behind an annotation that is told apart by a discriminator."""
    if isinstance(annotation, FieldInfo) and annotation.discriminator is not None:
        inner = annotation.annotation
        options = get_args(inner) if get_origin(inner) in (Union, UnionType) else (inner,)
        return [option for option in options if isinstance(option, type)]
    return []


def _tag(model: type[BaseModel]) -> str:
    return str(model.model_fields["provider"].default)


def _type_of(annotation: Any) -> Any:
    """The bare type: no FieldInfo, no Annotated, no `| None`."""
    if isinstance(annotation, FieldInfo):
        return _type_of(annotation.annotation)
    if get_origin(annotation) is Annotated:
        return _type_of(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        rest = [option for option in get_args(annotation) if option is not type(None)]
        return _type_of(rest[0]) if len(rest) == 1 else annotation
    return annotation


def rule_of(annotation: Any) -> Rule | Choice | None:
    """The `Rule` or `Choice` of a field or annotation, or None."""
    if isinstance(annotation, FieldInfo):
        own = next((item for item in annotation.metadata if isinstance(item, Rule | Choice)), None)
        return own or rule_of(annotation.annotation)
    if get_origin(annotation) is Annotated:
        return next((item for item in get_args(annotation)[1:] if isinstance(item, Rule | Choice)), None)
    if get_origin(annotation) in (Union, UnionType):
        return next((rule for rule in map(rule_of, get_args(annotation)) if rule), None)
    return None


def _allowed(annotation: Any) -> str:
    rule, inner = rule_of(annotation), _type_of(annotation)
    if rule is not None:
        return rule.allowed_for(inner)
    if isinstance(inner, type) and issubclass(inner, BaseModel):
        return f"a mapping with {', '.join(_keys(inner))}"
    return "a mapping" if get_origin(inner) is dict else "a list"
