"""A rule: a pure check with its name, its level, and settings that have defaults."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pulumi_policy import EnforcementLevel, Severity

from policies.item import Item

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

    def values(self, given: Mapping[str, Any] | None) -> Settings:
        """The values of all settings: the value in `given`, else the default.

        Raises ValueError for an unknown setting, which the engine would ignore.
        """
        unknown = sorted(set(given or {}) - set(self.settings))
        if unknown:
            allowed = ", ".join(self.settings) or "none"
            raise ValueError(f"policy {self.name}: no setting {unknown[0]!r}; allowed: {allowed}")
        return {name: setting.default for name, setting in self.settings.items()} | dict(given or {})


@dataclass(frozen=True)
class ResourceRule:
    """A rule about the inputs of one resource. It runs before the resource is made, so a violation also stops `up`.

    A type that ends with a colon stands for all types that begin like this.
    """

    about: About
    types: frozenset[str]
    check: ResourceCheck

    def concerns(self, kind: str) -> bool:
        """Whether the rule is about resources of this type."""
        return kind in self.types or any(kind.startswith(one) for one in self.types if one.endswith(":"))


@dataclass(frozen=True)
class StackRule:
    """A rule about the outputs of all resources. It runs at the end of a preview and at the end of `up`."""

    about: About
    check: StackCheck


Rule = ResourceRule | StackRule


def resource_rule(about: About, types: Iterable[str], check: ResourceCheck) -> ResourceRule:
    """A rule about the inputs of one resource."""
    return ResourceRule(about, frozenset(types), check)


def stack_rule(about: About, check: StackCheck) -> StackRule:
    """A rule about the outputs of all resources."""
    return StackRule(about, check)
