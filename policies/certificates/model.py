"""Certificates of a stack, read from the resources of the tls provider."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from policies import clock
from policies.item import UNKNOWN, Item
from policies.patterns import matches

SELF_SIGNED = "tls:index/selfSignedCert:SelfSignedCert"
SIGNED = "tls:index/locallySignedCert:LocallySignedCert"
REQUEST = "tls:index/certRequest:CertRequest"
KEY = "tls:index/privateKey:PrivateKey"
TYPES = (SELF_SIGNED, SIGNED)

PEOPLE = ["system:masters", "hardway:cluster-admins", "hardway:developers:*"]
"""Groups (the organization of a client certificate) whose members are people, or have all rights."""

Kind = Literal["authority", "machine", "person"]


@dataclass(frozen=True)
class Certificate:
    """A certificate that exists or is planned. Durations are hours, times are in UTC.

    `end` is None while the certificate is still to be made: it is new, or this plan renews it. `issuer` is the URN of
    the authority, if that is in the stack; `keys` are the URNs of the private keys behind it, one as a rule.
    """

    urn: str
    name: str
    kind: Kind
    lifetime: float | None
    window: float
    end: datetime | None
    issuer: str | None
    keys: tuple[str, ...]
    algorithm: str | None

    def hours_left(self, now: datetime) -> float | None:
        """Hours until its end, or the whole lifetime when this plan makes it. None: not known."""
        return self.lifetime if self.end is None else (self.end - now) / timedelta(hours=1)

    def expected_end(self, now: datetime) -> datetime | None:
        """Its end; for one that this plan makes, what comes of its lifetime. None: not known."""
        if self.end is None and self.lifetime is not None:
            return now + timedelta(hours=self.lifetime)
        return self.end

    @property
    def renewed_from(self) -> datetime | None:
        """When `up` starts to replace it."""
        return self.end and self.end - timedelta(hours=self.window)


def is_authority(item: Item) -> bool:
    """Whether the certificate may sign others; until that is known, one that signs itself is taken for an authority."""
    value = item.props.get("isCaCertificate")
    return item.type == SELF_SIGNED if value is UNKNOWN else bool(value)


def certificates(items: Sequence[Item], people: Iterable[str] = PEOPLE) -> list[Certificate]:
    """Every certificate among the resources of a stack; `people` are the groups of people."""
    by_urn = {item.urn: item for item in items}
    return [_certificate(item, by_urn, tuple(people)) for item in items if item.type in TYPES]


def _certificate(item: Item, by_urn: Mapping[str, Item], people: tuple[str, ...]) -> Certificate:
    requests = [by_urn[urn] for urn in _sources(item, "certRequestPem", REQUEST)]
    issuers = _sources(item, "caCertPem", *TYPES) or _by_text(item, by_urn.values())
    end = item.text("validityEndTime")
    return Certificate(
        urn=item.urn,
        name=item.name,
        kind=_kind(item, requests, people),
        lifetime=item.number("validityPeriodHours"),
        window=item.number("earlyRenewalHours") or 0,
        end=clock.parse(end) if end else None,
        issuer=issuers[0] if len(issuers) == 1 else None,
        keys=tuple(urn for holder in (requests or [item]) for urn in _sources(holder, "privateKeyPem", KEY)),
        algorithm=next((text for holder in (*requests, item) if (text := holder.text("keyAlgorithm"))), None),
    )


def _kind(item: Item, requests: Iterable[Item], people: tuple[str, ...]) -> Kind:
    if is_authority(item):
        return "authority"
    subjects = [holder.props.get("subject") for holder in requests]
    groups = [s.get("organization") for s in subjects if isinstance(s, Mapping)]
    return "person" if any(isinstance(group, str) and matches(group, people) for group in groups) else "machine"


def _sources(item: Item, name: str, *types: str) -> list[str]:
    """URNs of the resources of some types that a property comes from."""
    return [urn for urn in item.sources.get(name, ()) if urn.split("::")[2].rpartition("$")[2] in types]


def _by_text(item: Item, items: Iterable[Item]) -> list[str]:
    text = item.text("caCertPem")
    return [other.urn for other in items if text and other.type == SELF_SIGNED and other.text("certPem") == text]
