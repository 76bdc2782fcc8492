"""pydantic's errors as findings: the problem in hardway's words, and what the models allow."""

from collections.abc import Collection
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from components.config.errors import HIDDEN, Finding, path_of, shown
from components.config.introspect import allowed, bare_type, fields, is_section, keys, rule_of, variants
from components.config.section import RULE_ERROR, Choice, Rule


def findings_of(error: ValidationError, model: type[BaseModel], secret: Collection[str]) -> list[Finding]:
    """One finding per error. No finding shows a value below a top-level key in `secret`, except for public values."""
    found = []
    for details in error.errors(include_url=False):
        parts, field, is_open = _resolve(model, details["loc"])
        finding = _finding(details, parts, field)
        if parts and parts[0] in secret and _shows_value(details) and not is_public(field, is_open):
            finding = Finding(finding.path, f"{HIDDEN} is not accepted", finding.allowed)
        found.append(finding)
    return found


def _shows_value(details: ErrorDetails) -> bool:
    """Whether the finding has the value in it. The finding of a private rule, and that of a key, has none."""
    if details["type"] == RULE_ERROR:
        return not details["ctx"]["private"]
    return details["type"] not in ("missing", "extra_forbidden")


def is_public_at(location: tuple[str | int, ...], model: type[BaseModel]) -> bool:
    """Whether the value at a path of the page is never a secret."""
    return is_public(*_resolve(model, location)[1:])


def is_public(field: Any, is_open: bool = False) -> bool:
    """Whether the values of a field are never secrets, whatever else its top-level key has.

    `is_open` is whether the field is in a section whose values are public but for those of private rules.
    """
    rule = rule_of(field) if field is not None else None
    if isinstance(rule, Rule):
        return rule.public or (is_open and not rule.private)
    return is_open and isinstance(rule, Choice)


def _finding(details: ErrorDetails, parts: list[str | int], field: Any) -> Finding:
    path, value, context = path_of(parts), shown(details["input"]), details.get("ctx", {})
    if isinstance(details["input"], str) and _has_private(field):
        # Such as a token in the place of a mapping that has one.
        value = "the value"
    match details["type"]:
        case str(kind) if kind == RULE_ERROR:
            subject = "the value" if context["private"] else value
            return Finding(path, f"{subject} {context['problem']}", context["allowed"])
        case "extra_forbidden":
            return Finding(path, f"{str(parts[-1])!r} is not a known key", ", ".join(keys(bare_type(field))))
        case "missing":
            return Finding(path, "is missing", allowed(field))
        case "union_tag_invalid":
            name, tags = context["discriminator"].strip("'"), context["expected_tags"].replace("'", "")
            return Finding(path_of([*parts, name]), f"{shown(context['tag'])} is not allowed", tags)
        case "tuple_type":
            return Finding(path, f"{value} is not a list", "a list")
        case "model_type" | "model_attributes_type" | "dict_type":
            return Finding(path, f"{value} is not a mapping", allowed(field))
        case _:
            # No model produces another kind of error today. The message has path and value all the same.
            return Finding(path, f"{value} is not accepted", allowed(field))


def _has_private(field: Any) -> bool:
    """Whether a field is a section, or a list of sections, of which a key has a private rule."""
    inner = bare_type(field)
    if is_section(inner):
        rules = (rule_of(one) for _, one in fields(inner))
        return any(isinstance(rule, Rule) and rule.private for rule in rules)
    return get_origin(inner) is tuple and any(_has_private(item) for item in get_args(inner))


def _resolve(model: type[BaseModel], location: tuple[str | int, ...]) -> tuple[list[str | int], Any, bool]:
    """The path without pydantic's markers, and the field or annotation at its end (for an unknown key: its parent).

    The last value is whether the path goes through a section whose values are public.
    """
    is_open = False
    parts: list[str | int] = []
    here: Any = model
    for part in location:
        if part == "[key]":
            break
        if part in variants(here):
            # pydantic adds the tag of a union to the path; the user did not write it.
            here = variants(here)[str(part)]
            continue
        parts.append(part)
        inner = bare_type(here)
        if is_section(inner):
            is_open = is_open or getattr(inner, "is_public", False)
            here = dict(fields(inner)).get(str(part), here)
        elif get_args(inner):
            here = get_args(inner)[1] if get_origin(inner) is dict else get_args(inner)[0]
    return parts, here, is_open
