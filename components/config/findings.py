"""pydantic's errors as findings: what is wrong in our words, and what is allowed as the models say it."""

from collections.abc import Collection
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from components.config.errors import HIDDEN, Finding, path_of, shown
from components.config.introspect import allowed, bare_type, fields, is_section, keys, variants
from components.config.section import RULE_ERROR


def findings_of(error: ValidationError, model: type[BaseModel], secret: Collection[str]) -> list[Finding]:
    """One finding per error. Nothing that stands below a top-level key in `secret` is shown."""
    found = []
    for details in error.errors(include_url=False):
        parts, field = _resolve(model, details["loc"])
        finding = _finding(details, parts, field)
        if parts and parts[0] in secret:
            finding = Finding(finding.path, f"{HIDDEN} is not accepted", finding.allowed)
        found.append(finding)
    return found


def _finding(details: ErrorDetails, parts: list[str | int], field: Any) -> Finding:
    path, value, context = path_of(parts), shown(details["input"]), details.get("ctx", {})
    match details["type"]:
        case str(kind) if kind == RULE_ERROR:
            who = "the value" if context["private"] else value
            return Finding(path, f"{who} {context['problem']}", context["allowed"])
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
            # A kind of error that no model of ours makes today: still a sentence with path and value.
            return Finding(path, f"{value} is not accepted", allowed(field))


def _resolve(model: type[BaseModel], location: tuple[str | int, ...]) -> tuple[list[str | int], Any]:
    """The path without pydantic's own marks, and the field or annotation at its end (at an unknown key: its parent)."""
    parts: list[str | int] = []
    here: Any = model
    for part in location:
        if part == "[key]":
            break
        if part in variants(here):
            # The tag of a union: pydantic puts it into the path, the user did not.
            here = variants(here)[str(part)]
            continue
        parts.append(part)
        inner = bare_type(here)
        if is_section(inner):
            here = dict(fields(inner)).get(str(part), here)
        elif get_args(inner):
            here = get_args(inner)[1] if get_origin(inner) is dict else get_args(inner)[0]
    return parts, here
