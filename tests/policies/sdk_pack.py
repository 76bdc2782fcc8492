"""The same rules, served by the service of the SDK, which tests compare with the project's own."""

from collections.abc import Mapping, Sequence
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.policy import _PolicyAnalyzerServicer
from pulumi_policy.proxy import UnknownValueError

from policies.item import UNKNOWN, Item
from policies.rule import ResourceRule, Rule


def served_by_the_sdk(rules: Sequence[Rule]) -> _PolicyAnalyzerServicer:
    """A service of the SDK with these rules."""
    return _PolicyAnalyzerServicer("hardway", "1.0.0", [_policy(rule) for rule in rules], EnforcementLevel.MANDATORY)


def _policy(rule: Rule) -> Policy:
    about = rule.about
    schema = {name: setting.schema() for name, setting in about.settings.items()}
    arguments: dict[str, Any] = {
        "name": about.name,
        "description": about.description,
        "enforcement_level": about.level,
        "severity": about.severity,
        "config_schema": PolicyConfigSchema(schema) if schema else None,
    }

    def resource(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if rule.concerns(args.resource_type):
            item = Item(args.urn, args.resource_type, args.name, _plain(args.props), args.opts.protect)
            for message in rule.check(item, about.values(args.get_config())):
                report(message, None)

    def stack(args: StackValidationArgs, report: ReportViolation) -> None:
        items = [
            Item(
                urn=one.urn,
                type=one.resource_type,
                name=one.name,
                props=_plain(one.props),
                protected=one.opts.protect,
                sources={n: tuple(r.urn for r in found) for n, found in one.property_dependencies.items()},
            )
            for one in args.resources
        ]
        for urn, message in rule.check(items, about.values(args.get_config())):
            report(message, urn)

    if isinstance(rule, ResourceRule):
        return ResourceValidationPolicy(validate=resource, **arguments)
    return StackValidationPolicy(validate=stack, **arguments)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _looked_up(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_looked_up(value, index) for index in range(len(value))]
    return value


def _looked_up(container: Any, key: Any) -> Any:
    try:
        return _plain(container[key])
    except UnknownValueError:
        return UNKNOWN
