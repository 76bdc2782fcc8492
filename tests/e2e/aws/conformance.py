"""Compares the schema of the AWS plugin of the tests with the classes of the Python package.

If the mapping is wrong, then a property has another name or shape on one side.
"""

from __future__ import annotations

import collections.abc
import importlib
import inspect
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi_aws
from pulumi import _types

# Every resource of version 7 has a region; the bridge adds timeouts, which the package does not have.
_LEFT_OUT = {"region", "timeouts", "endpoints", "id", "urn"}
_DEEPEST = 6


class Shape(typing.NamedTuple):
    """The shape of a property: whether it is a list, and the class or reference of its nested type."""

    is_list: bool
    nested: Any


def differences(schema: Mapping[str, Any]) -> list[str]:
    """One line for each property that differs."""
    found: list[str] = []
    for token, resource in sorted(schema["resources"].items()):
        _, path, name = token.split(":")
        module = importlib.import_module(f"pulumi_aws.{path.partition('/')[0]}")
        # If a part of another resource has the usual name, as in `aws.s3.Bucket(versioning=...)`, then the arguments of
        # the resource have the first of these names.
        arguments = getattr(module, f"{name}InitArgs", None) or getattr(module, f"{name}Args")
        found += _compare(f"{token} in", _inputs(arguments), resource["inputProperties"], schema)
        outputs = _outputs(getattr(module, name))
        missing = sorted((outputs ^ set(resource["properties"])) - _LEFT_OUT)
        found += [
            f"{token} out: {key} is only in {'the package' if key in outputs else 'the fixture'}" for key in missing
        ]
    provider = _inputs(pulumi_aws.ProviderArgs)
    return found + list(_compare("provider", provider, schema["provider"]["inputProperties"], schema))


def _compare(
    path: str, package: Mapping[str, Any], fixture: Mapping[str, Any], schema: Mapping[str, Any], depth: int = 0
) -> Iterator[str]:
    for key in sorted((set(package) | set(fixture)) - _LEFT_OUT):
        if key not in fixture or key not in package:
            yield f"{path}: {key} is only in the {'package' if key in package else 'fixture'}"
            continue
        one, other = _shape_of_hint(package[key]), _shape_of_schema(fixture[key])
        if one.is_list != other.is_list:
            yield f"{path}: {key} is a list only in the {'package' if one.is_list else 'fixture'}"
        if (one.nested is None) != (other.nested is None):
            yield f"{path}: {key} has parts only in the {'package' if one.nested else 'fixture'}"
        elif one.nested is not None and depth < _DEEPEST:
            inner = schema["types"][other.nested]["properties"]
            yield from _compare(f"{path}.{key}", _inputs(one.nested), inner, schema, depth + 1)


def _shape_of_hint(hint: Any) -> Shape:
    """The shape that a type hint of the package describes."""
    is_list, nested, waiting = False, None, [hint]
    while waiting:
        here = waiting.pop(0)
        is_list |= typing.get_origin(here) in (collections.abc.Sequence, list)
        if inspect.isclass(here) and _types.is_input_type(here):
            nested = nested or here
        waiting.extend(part for part in typing.get_args(here) if part is not type(None))
    return Shape(is_list, nested)


def _shape_of_schema(property_: Mapping[str, Any]) -> Shape:
    holder = property_["items"] if property_.get("type") == "array" else property_
    reference = holder.get("$ref", "")
    nested = reference.removeprefix("#/types/").replace("%2F", "/") if reference.startswith("#/types/") else None
    return Shape(property_.get("type") == "array", nested)


def _inputs(cls: Any) -> dict[str, Any]:
    names = _types.input_type_py_to_pulumi_names(cls)
    return {names.get(key, key): hint for key, hint in _types.input_type_types(cls).items()}


def _outputs(cls: Any) -> set[str]:
    spelled = {
        key: member.fget._pulumi_name
        for key, member in inspect.getmembers(cls)
        if isinstance(member, property) and hasattr(member.fget, "_pulumi_name")
    }
    return {spelled.get(key, key) for key in _types.resource_types(cls)}
