"""Makes a policy from a pure check: adds settings with defaults, and replaces unknown values by UNKNOWN."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from policies.item import UNKNOWN, Item

Settings = Mapping[str, Any]
ResourceCheck = Callable[[Item, Settings], Iterable[str]]
"""The messages about one resource."""
StackCheck = Callable[[Sequence[Item], Settings], Iterable[tuple[str | None, str]]]
"""Messages, each with the URN of its resource, or None if the message is about the stack."""


@dataclass(frozen=True)
class Setting:
    """A number or a list of texts that the configuration of the pack may change. Texts are `fnmatch` patterns."""

    default: float | list[str]
    description: str

    def schema(self) -> dict[str, Any]:
        """The setting as JSON Schema."""
        if isinstance(self.default, list):
            kind: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
        else:
            kind = {"type": "number", "minimum": 0}
        return {**kind, "default": self.default, "description": self.description}


@dataclass(frozen=True)
class About:
    """The name of a rule, what it requires, its settings, the severity of a violation, and its level."""

    name: str
    description: str
    settings: Mapping[str, Setting]
    severity: Severity = Severity.HIGH
    level: EnforcementLevel = EnforcementLevel.MANDATORY

    def arguments(self) -> dict[str, Any]:
        """The arguments of a policy."""
        schema = {name: setting.schema() for name, setting in self.settings.items()}
        return {
            "name": self.name,
            "description": self.description,
            "enforcement_level": self.level,
            "severity": self.severity,
            "config_schema": PolicyConfigSchema(schema) if schema else None,
        }

    def values(self, given: Mapping[str, Any] | None) -> Settings:
        """The values of all settings: the value in `given`, else the default.

        Raises ValueError for an unknown setting, which the engine would ignore.
        """
        unknown = sorted(set(given or {}) - set(self.settings))
        if unknown:
            allowed = ", ".join(self.settings) or "none"
            raise ValueError(f"policy {self.name}: no setting {unknown[0]!r}; allowed: {allowed}")
        return {name: setting.default for name, setting in self.settings.items()} | dict(given or {})


def resource_rule(about: About, types: Iterable[str], check: ResourceCheck) -> Policy:
    """A rule about the inputs of one resource. It runs before the resource is made, so a violation also stops `up`.

    A type that ends with a colon stands for all types that begin like this.
    """
    wanted = frozenset(types)
    beginnings = tuple(kind for kind in wanted if kind.endswith(":"))

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if args.resource_type in wanted or (beginnings and args.resource_type.startswith(beginnings)):
            item = Item(args.urn, args.resource_type, args.name, plain(args.props), args.opts.protect)
            for message in check(item, about.values(args.get_config())):
                report(message, None)

    return ResourceValidationPolicy(validate=validate, **about.arguments())


def stack_rule(about: About, check: StackCheck) -> Policy:
    """A rule about the outputs of all resources. It runs at the end of a preview and at the end of `up`."""

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        items = [
            Item(
                urn=resource.urn,
                type=resource.resource_type,
                name=resource.name,
                props=plain(resource.props),
                protected=resource.opts.protect,
                sources={n: tuple(r.urn for r in found) for n, found in resource.property_dependencies.items()},
            )
            for resource in args.resources
        ]
        for urn, message in check(items, about.values(args.get_config())):
            report(message, urn)

    return StackValidationPolicy(validate=validate, **about.arguments())


def plain(value: Any) -> Any:
    """The value with UNKNOWN in the place of unknown values, for which the SDK raises an error."""
    if isinstance(value, Mapping):
        return {key: _looked_up(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_looked_up(value, index) for index in range(len(value))]
    return value


def _looked_up(container: Any, key: Any) -> Any:
    try:
        return plain(container[key])
    except UnknownValueError:
        return UNKNOWN
