"""Sends recorded requests of the engine to the policy pack, through its service."""

import copy
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from conftest import changed
from google.protobuf import json_format
from pulumi.runtime.proto import analyzer_pb2

from policies.analyzer import Analyzer
from policies.pack import chosen

DATA = Path(__file__).parent / "data"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""How the engine sends a value that is not known at preview; recorded in tests/policies/data."""

Request = dict[str, Any]


def load(name: str) -> Any:
    """A recording."""
    return json.loads((DATA / f"{name}.json").read_text())


def resource(recording: str, name: str, kind: str = "", change: Mapping[str, Any] | None = None) -> Request:
    """The inputs of one resource, with some properties changed; `kind` is the end of its type."""
    (found,) = (r for r in load(recording)["resources"] if r["name"] == name and r["type"].endswith(kind))
    return {**found, "properties": changed(found.get("properties", {}), change or {})}


def stack(recording: str, change: Mapping[str, Mapping[str, Any]] | None = None) -> list[Request]:
    """All resources of a stack. `change` has changed properties by the end of the resource's URN."""
    resources = copy.deepcopy(load(recording)["stack"])
    for end, values in (change or {}).items():
        (found,) = (r for r in resources if r["urn"].endswith(end))
        found["properties"] = changed(found.get("properties", {}), values)
    return resources


def made(kind: str, name: str, properties: Mapping[str, Any], **options: Any) -> Request:
    """A request for a resource that was not recorded."""
    urn = f"urn:pulumi:dev::policies::{kind}::{name}"
    return {"type": kind, "name": name, "urn": urn, "properties": dict(properties), "options": options}


def asked(request: Request, **settings: Any) -> dict[str, list[str]]:
    """The messages of each resource rule about a resource. `settings` are settings by rule, with _ instead of -."""
    pack = _pack(settings)
    return _by_rule(pack.Analyze(json_format.ParseDict(request, analyzer_pb2.AnalyzeRequest()), None))


def asked_stack(resources: Iterable[Request], **settings: Any) -> dict[str, list[str]]:
    """The messages of each stack rule about all resources together."""
    request = {"resources": list(resources)}
    pack = _pack(settings)
    return _by_rule(pack.AnalyzeStack(json_format.ParseDict(request, analyzer_pb2.AnalyzeStackRequest()), None))


def _pack(settings: Mapping[str, Any]) -> Analyzer:
    pack = Analyzer(chosen({}))
    given = {name.replace("_", "-"): {"properties": values} for name, values in settings.items()}
    pack.Configure(json_format.ParseDict({"policyConfig": given}, analyzer_pb2.ConfigureAnalyzerRequest()), None)
    return pack


def _by_rule(response: analyzer_pb2.AnalyzeResponse) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for diagnostic in response.diagnostics:
        text = diagnostic.message
        assert "can't run policy" not in text, "an unknown value hides a whole rule"
        found.setdefault(diagnostic.policyName, []).append(text.removeprefix(f"{diagnostic.description}\n"))
    return found
