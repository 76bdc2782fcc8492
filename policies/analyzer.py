"""Answers the engine: pulumi/proto/pulumi/analyzer.proto. The rules of the pack see each request once.

The service of the SDK decodes a request again for each of its policies, also if the policy is not about the resource: a
third of the time of a preview of 500 nodes (docs/decisions/0085).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from google.protobuf import empty_pb2, json_format
from pulumi.runtime.proto import analyzer_pb2 as proto
from pulumi.runtime.proto import plugin_pb2
from pulumi.runtime.proto.analyzer_pb2_grpc import AnalyzerServicer
from pulumi_policy import EnforcementLevel, Severity

from policies.item import Item
from policies.rule import About, ResourceRule, Rule, StackRule
from policies.values import plain_properties

NAME, VERSION = "hardway", "1.0.0"
"""The same as in PulumiPolicy.yaml."""
_LEVELS = {
    EnforcementLevel.ADVISORY: proto.ADVISORY,
    EnforcementLevel.MANDATORY: proto.MANDATORY,
    EnforcementLevel.DISABLED: proto.DISABLED,
    EnforcementLevel.REMEDIATE: proto.REMEDIATE,
}
_SEVERITIES = {
    Severity.LOW: proto.POLICY_SEVERITY_LOW,
    Severity.MEDIUM: proto.POLICY_SEVERITY_MEDIUM,
    Severity.HIGH: proto.POLICY_SEVERITY_HIGH,
    Severity.CRITICAL: proto.POLICY_SEVERITY_CRITICAL,
}


class Analyzer(AnalyzerServicer):
    """The service for some rules. Before `Configure`, all rules have their own levels and settings."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._levels: dict[str, Any] = {rule.about.name: _LEVELS[rule.about.level] for rule in rules}
        self._settings: dict[str, Mapping[str, Any]] = {}

    def GetAnalyzerInfo(self, request: Any, context: Any) -> proto.AnalyzerInfo:
        """Name the rules. The engine checks the configuration of the pack against the schemas of their settings."""
        info = proto.AnalyzerInfo(name=NAME, version=VERSION, supportsConfig=True)
        for rule in self._rules:
            about = rule.about
            kind = proto.POLICY_TYPE_STACK if isinstance(rule, StackRule) else proto.POLICY_TYPE_RESOURCE
            one = info.policies.add(name=about.name, description=about.description, policy_type=kind)
            one.enforcementLevel, one.severity = _LEVELS[about.level], _SEVERITIES[about.severity]
            for name, setting in about.settings.items():
                one.configSchema.properties.update({name: setting.schema()})
        return info

    def GetPluginInfo(self, request: Any, context: Any) -> plugin_pb2.PluginInfo:
        """The version of the pack."""
        return plugin_pb2.PluginInfo(version=VERSION)

    def Configure(self, request: proto.ConfigureAnalyzerRequest, context: Any) -> empty_pb2.Empty:
        """Take levels and settings from the configuration of the pack."""
        for name, given in request.policyConfig.items():
            # A remediation would change resources, and no rule has one: a violation stops the run, as with the SDK.
            remediates = given.enforcementLevel == proto.REMEDIATE
            self._levels[name] = proto.MANDATORY if remediates else given.enforcementLevel
            self._settings[name] = json_format.MessageToDict(given.properties)
        return empty_pb2.Empty()

    def ConfigureStack(
        self, request: proto.AnalyzerStackConfigureRequest, context: Any
    ) -> proto.AnalyzerStackConfigureResponse:
        """No rule reads what the engine says about the stack."""
        return proto.AnalyzerStackConfigureResponse()

    def Remediate(self, request: proto.AnalyzeRequest, context: Any) -> proto.RemediateResponse:
        """No rule changes a resource."""
        return proto.RemediateResponse()

    def Analyze(self, request: proto.AnalyzeRequest, context: Any) -> proto.AnalyzeResponse:
        """Let the rules about resources judge the inputs of a resource."""
        rules = [rule for rule in self._active() if isinstance(rule, ResourceRule) and rule.concerns(request.type)]
        response = proto.AnalyzeResponse()
        if rules:
            item = _item(request)
            for rule in rules:
                self._report(response, rule.about, ((None, text) for text in rule.check(item, self._values(rule))))
        return response

    def AnalyzeStack(self, request: proto.AnalyzeStackRequest, context: Any) -> proto.AnalyzeResponse:
        """Let the rules about stacks judge the outputs of all resources."""
        rules = [rule for rule in self._active() if isinstance(rule, StackRule)]
        response = proto.AnalyzeResponse()
        known = {resource.urn for resource in request.resources}
        items = [_item(resource, known) for resource in request.resources] if rules else []
        for rule in rules:
            self._report(response, rule.about, rule.check(items, self._values(rule)))
        return response

    def _active(self) -> list[Rule]:
        return [rule for rule in self._rules if self._levels[rule.about.name] != proto.DISABLED]

    def _values(self, rule: Rule) -> Mapping[str, Any]:
        return rule.about.values(self._settings.get(rule.about.name))

    def _report(self, response: proto.AnalyzeResponse, about: About, found: Iterable[tuple[str | None, str]]) -> None:
        for urn, text in found:
            response.diagnostics.add(
                policyName=about.name,
                policyPackName=NAME,
                policyPackVersion=VERSION,
                description=about.description,
                message=f"{about.description}\n{text}",
                urn=urn or "",
                enforcementLevel=self._levels[about.name],
                severity=_SEVERITIES[about.severity],
            )


def _item(resource: Any, known: Iterable[str] = ()) -> Item:
    """The item of a request, or of a resource in a request about a stack, where `known` has the URNs of them all."""
    sources = getattr(resource, "propertyDependencies", {})
    return Item(
        urn=resource.urn,
        type=resource.type,
        name=resource.name,
        props=plain_properties(resource.properties),
        protected=resource.options.protect,
        sources={name: tuple(urn for urn in found.urns if urn in known) for name, found in sources.items()},
    )
