"""The certificates that a change issues, renews or drops."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from tools.report.read import Preview, Step, Values

LEAF, AUTHORITY = "tls:index/locallySignedCert:LocallySignedCert", "tls:index/selfSignedCert:SelfSignedCert"
REQUEST, KEY = "tls:index/certRequest:CertRequest", "tls:index/privateKey:PrivateKey"

_KINDS = {"create": "issued", "replace": "renewed", "delete": "dropped", "update": "changed"}
_ORDER = ("renewed", "changed", "issued", "dropped")
_REASONS = {
    "readyForRenewal": "it is due",
    "caCertPem": "its authority is new",
    "caPrivateKeyPem": "its authority is new",
    "certRequestPem": "its key, its subject or its names change",
    "privateKeyPem": "its key is new",
    "validityPeriodHours": "its lifetime changes",
    "allowedUses": "its uses change",
    "subject": "its subject changes",
}


@dataclass(frozen=True)
class CertificateChange:
    """One certificate. `kind`: issued, renewed, dropped or changed (in place, its end stays).

    `ends` is when the current certificate ends (UTC), `hours` is the lifetime of the new certificate from its issue.
    """

    name: str
    kind: str
    authority: bool
    reasons: tuple[str, ...]
    ends: str | None
    hours: float | None
    new_key: bool
    names_added: tuple[str, ...] = ()
    names_removed: tuple[str, ...] = ()


def certificate_changes(preview: Preview) -> tuple[CertificateChange, ...]:
    """Every certificate that changes: authorities first, then by kind of change, then by name."""
    keys = {step.name for step in preview.steps if step.type == KEY and step.operation in ("create", "replace")}
    requests = {step.name: step for step in preview.steps if step.type == REQUEST}
    found = [
        _change(step, step.name in keys, requests.get(step.name))
        for step in preview.steps
        if step.type in (LEAF, AUTHORITY)
    ]
    return tuple(sorted(found, key=lambda c: (not c.authority, _ORDER.index(c.kind), c.name)))


def _change(step: Step, new_key: bool, request: Step | None) -> CertificateChange:
    before, after = (_names(request.old), _names(request.new)) if request else (set(), set())
    renewed = step.operation == "replace"
    # A leaf's key of another generation of its authority is another resource: then the request gets another key.
    new_key = new_key or (request is not None and "privateKeyPem" in (*request.reasons, *request.changed))
    return CertificateChange(
        name=step.name,
        kind=_KINDS[step.operation],
        authority=step.type == AUTHORITY,
        reasons=_reasons(step.reasons if renewed else step.changed) if step.operation in ("replace", "update") else (),
        ends=_utc(step.old_outputs.get("validityEndTime")),
        hours=_hours(step.new.get("validityPeriodHours")) if step.operation in ("create", "replace") else None,
        new_key=renewed and new_key,
        names_added=tuple(sorted(after - before)) if renewed else (),
        names_removed=tuple(sorted(before - after)) if renewed else (),
    )


def _reasons(properties: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_REASONS.get(name, f"its {name} changes") for name in properties))


def _names(values: Values) -> set[str]:
    return {str(name) for key in ("dnsNames", "ipAddresses") for name in _list(values.get(key))}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _hours(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _utc(time: object) -> str | None:
    try:
        return datetime.fromisoformat(str(time)).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return None
