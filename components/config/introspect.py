"""Inspects the models: the keys of a section, the type and the rule of a key. For messages and the reference."""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, TypeGuard, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from components.config.section import Choice, Rule


def is_section(kind: Any) -> TypeGuard[type[BaseModel]]:
    """Whether `kind` is a model, that is a mapping with known keys."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Keys as the user writes them, in the order of the model, and their fields."""
    for name, field in model.model_fields.items():
        yield field.alias or name, field


def keys(model: type[BaseModel]) -> list[str]:
    """The known keys of a section."""
    return [key for key, _ in fields(model)]


def variants(annotation: Any) -> dict[str, type[BaseModel]]:
    """The models of a field with a discriminator, by tag; empty for any other field."""
    if not isinstance(annotation, FieldInfo) or annotation.discriminator is None:
        return {}
    inner, name = annotation.annotation, str(annotation.discriminator)
    models = get_args(inner) if get_origin(inner) in (Union, UnionType) else (inner,)
    return {model.model_fields[name].default: model for model in models}


def bare_type(annotation: Any) -> Any:
    """The type alone: no FieldInfo, no Annotated, no `| None`."""
    if isinstance(annotation, FieldInfo):
        return bare_type(annotation.annotation)
    if get_origin(annotation) is Annotated:
        return bare_type(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        rest = [option for option in get_args(annotation) if option is not type(None)]
        return bare_type(rest[0]) if len(rest) == 1 else annotation
    return annotation


def rule_of(annotation: Any) -> Rule | Choice | None:
    """The rule for the values of a field or annotation, if there is one."""
    if isinstance(annotation, FieldInfo):
        own = next((item for item in annotation.metadata if isinstance(item, Rule | Choice)), None)
        return own or rule_of(annotation.annotation)
    if get_origin(annotation) is Annotated:
        return next((item for item in get_args(annotation)[1:] if isinstance(item, Rule | Choice)), None)
    if get_origin(annotation) in (Union, UnionType):
        return next((rule for rule in map(rule_of, get_args(annotation)) if rule), None)
    return None


def allowed(annotation: Any) -> str:
    """What a field or annotation allows, as text for a message."""
    rule, inner = rule_of(annotation), bare_type(annotation)
    if rule is not None:
        return rule.allowed_for(inner)
    if models := variants(annotation):
        return f"a mapping with {annotation.discriminator}, one of {', '.join(models)}"
    if is_section(inner):
        return f"a mapping with {', '.join(keys(inner))}"
    return "a mapping" if get_origin(inner) is dict else "a list"
