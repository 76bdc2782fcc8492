"""An authority near its end stops every plan but those of its rotation."""

from datetime import UTC, datetime, timedelta

import pytest
from policy_requests import Request, asked_stack, made

KIND = "tls:index/selfSignedCert:SelfSignedCert"
SIGNED = "tls:index/locallySignedCert:LocallySignedCert"
RULE = "certificate-remaining-life"
NOW = datetime(2026, 11, 27, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARDWAY_NOW", NOW.isoformat())


def certificate(kind: str, name: str, days: int, issuer: str = "") -> Request:
    end = (NOW + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    properties = {"isCaCertificate": True, "validityEndTime": end, "validityPeriodHours": 87600, "certPem": name}
    return made(kind, name, properties | ({"caCertPem": issuer} if issuer else {}))


def test_a_rotation_is_possible_when_it_is_needed() -> None:
    old, new = certificate(KIND, "etcd-ca-1", 5), certificate(KIND, "etcd-ca-2", 3650)
    between = certificate(SIGNED, "etcd-ca-2-by-etcd-ca-1", 5, "etcd-ca-1")
    (found,) = asked_stack([old])[RULE]
    assert found.startswith("etcd-ca-1 (authority): 120.0 hours left")
    assert RULE not in asked_stack([old, new, between])


def test_another_authority_or_a_generation_at_its_end_is_no_excuse() -> None:
    old = certificate(KIND, "etcd-ca-1", 5)
    assert len(asked_stack([old, certificate(KIND, "kubernetes-ca-2", 3650)])[RULE]) == 1
    (found,) = asked_stack([old, certificate(KIND, "etcd-ca-2", 4)])[RULE]
    assert found.startswith("etcd-ca-2 (authority)")
