"""The project's service of policies answers recorded requests as the service of the SDK does."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from policy_requests import DATA, load
from pulumi.runtime.proto import analyzer_pb2 as proto
from sdk_pack import served_by_the_sdk

from policies import analyzer
from policies.analyzer import Analyzer
from policies.item import UNKNOWN
from policies.pack import chosen
from policies.rule import ResourceRule
from policies.values import plain_properties

RULES = chosen({})
RECORDINGS = [path for path in sorted(DATA.glob("*.json")) if "stack" in json.loads(path.read_text())]
# So strict that plans without a mistake have findings, with each level.
STRICT: dict[str, Any] = {
    "certificate-lifetime": {"properties": {"machineHours": 1, "authorityHours": 1}, "enforcementLevel": "MANDATORY"},
    "certificate-key": {"properties": {"algorithms": []}, "enforcementLevel": "REMEDIATE"},
    "certificate-renewal-window": {"properties": {"machineHours": 1e6}, "enforcementLevel": "ADVISORY"},
    "unprotected": {"properties": {"keys": ["*"]}, "enforcementLevel": "DISABLED"},
}
NONE = json_format.ParseDict({}, proto.AnalyzeRequest())


def configuration(rules: Mapping[str, Any]) -> proto.ConfigureAnalyzerRequest:
    return json_format.ParseDict({"policyConfig": dict(rules)}, proto.ConfigureAnalyzerRequest())


def findings(recording: Any, rules: Mapping[str, Any]) -> list[Any]:
    """Of our service, after a comparison with the service of the SDK."""
    ours, theirs = Analyzer(RULES), served_by_the_sdk(RULES)
    if rules:
        for service in (ours, theirs):
            service.Configure(configuration(rules), None)
    found: list[Any] = []
    for resource in recording["resources"]:
        request = json_format.ParseDict(resource, proto.AnalyzeRequest())
        answer = ours.Analyze(request, None)
        assert answer == theirs.Analyze(request, None), resource["urn"]
        found += answer.diagnostics
    stack = json_format.ParseDict({"resources": recording["stack"]}, proto.AnalyzeStackRequest())
    answer = ours.AnalyzeStack(stack, None)
    assert answer == theirs.AnalyzeStack(stack, None)
    return [*found, *answer.diagnostics]


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_same_findings_as_the_sdk(path: Path) -> None:
    recording = json.loads(path.read_text())
    findings(recording, {})
    levels = {(one.policyName, one.enforcementLevel) for one in findings(recording, STRICT)}
    if path.stem == "first_preview":
        assert ("certificate-lifetime", proto.MANDATORY) in levels
        assert ("certificate-renewal-window", proto.ADVISORY) in levels
        assert not any(name == "unprotected" for name, _ in levels)
    if path.stem == "nothing_changes":
        assert ("certificate-key", proto.MANDATORY) in levels


def test_same_description_of_the_pack_as_the_sdk() -> None:
    assert Analyzer(RULES).GetAnalyzerInfo(None, None) == served_by_the_sdk(RULES).GetAnalyzerInfo(None, None)
    assert not Analyzer(RULES).Remediate(NONE, None).remediations


def test_a_setting_that_does_not_exist_is_an_error() -> None:
    pack = Analyzer(RULES)
    pack.Configure(configuration({"etcd-members": {"properties": {"most": 1}}}), None)
    with pytest.raises(ValueError, match="policy etcd-members: no setting 'most'; allowed: least"):
        pack.AnalyzeStack(proto.AnalyzeStackRequest(), None)


def test_values() -> None:
    signature, secret = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
    unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    given = {
        "secret": {signature: secret, "value": {"deep": ["x", unknown]}},
        "numbers": [1, 1.5, True, None],
        "unknown": unknown,
    }
    request = json_format.ParseDict({"properties": given}, proto.AnalyzeRequest())
    before = request.SerializeToString(deterministic=True)
    expected = {"secret": {"deep": ["x", UNKNOWN]}, "numbers": [1, 1.5, True, None], "unknown": UNKNOWN}
    assert plain_properties(request.properties) == expected
    assert request.SerializeToString(deterministic=True) == before


def test_a_request_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the SDK, a preview of 500 nodes spent a third of its time here."""
    decoded: list[Any] = []
    monkeypatch.setattr(analyzer, "plain_properties", lambda given: decoded.append(given) or plain_properties(given))
    requests = [json_format.ParseDict(one, proto.AnalyzeRequest()) for one in load("first_preview")["resources"]]
    for request in requests:
        Analyzer(RULES).Analyze(request, None)
    about_resources = [rule for rule in RULES if isinstance(rule, ResourceRule)]
    concerned = [one for one in requests if any(rule.concerns(one.type) for rule in about_resources)]
    assert 0 < len(decoded) == len(concerned) < len(requests)
    decoded.clear()
    stack = json_format.ParseDict({"resources": load("first_preview")["stack"]}, proto.AnalyzeStackRequest())
    Analyzer(RULES).AnalyzeStack(stack, None)
    assert len(decoded) == len(stack.resources)
