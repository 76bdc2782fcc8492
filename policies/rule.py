"""From a pure check to a policy of the pack: settings with defaults, plain values, one unknown value hides nothing."""

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
"""Messages with the URN of the resource each is about; None: about the stack."""


@dataclass(frozen=True)
class Setting:
    """A number, or a list of texts, that the pack's configuration may change. Texts are patterns of `fnmatch`."""

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
    """What a rule is called, what it wants, how severe a breach is, and its settings."""

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
        """The settings with what the configuration gives.

        Raises ValueError for a setting that there is not: the engine lets it pass.
        """
        unknown = sorted(set(given or {}) - set(self.settings))
        if unknown:
            allowed = ", ".join(self.settings) or "none"
            raise ValueError(f"policy {self.name}: no setting {unknown[0]!r}; allowed: {allowed}")
        return {name: setting.default for name, setting in self.settings.items()} | dict(given or {})


def resource_rule(about: About, types: Iterable[str], check: ResourceCheck) -> Policy:
    """A rule over the inputs of single resources. It runs before each is made: a breach stops `up` as well."""
    wanted = frozenset(types)

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if args.resource_type in wanted:
            item = Item(args.urn, args.resource_type, args.name, plain(args.props), args.opts.protect)
            for message in check(item, about.values(args.get_config())):
                report(message, None)

    return ResourceValidationPolicy(validate=validate, **about.arguments())


def stack_rule(about: About, check: StackCheck) -> Policy:
    """A rule over the outputs of all resources. It runs at the end of a preview, or of an `up`."""

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
    """The value with UNKNOWN in the place of everything that is not known yet; the SDK would raise there."""
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
