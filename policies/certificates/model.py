"""Certificates of a stack, read from the resources of the tls provider."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
STACK = "pulumi:pulumi:Stack"
DRAFTS = ["*-drafts-*"]
"""Names of authorities that nobody trusts: they sign drafts of certificates for a signing service."""

PEOPLE = ["hardway:cluster-admins", "hardway:developers:*"]
"""Groups (the organization of a client certificate) whose members are people."""
DEPLOYERS = ["hardway:deployers", "system:masters"]
"""Groups whose members have all rights. The program's own certificate is in the first; in earlier versions, it was in
the second, which RBAC cannot limit."""

Kind = Literal["authority", "machine", "person", "deployer"]


@dataclass(frozen=True)
class Certificate:
    """A certificate that exists or is planned. Durations are in hours, times in UTC.

    `window` is the time before the end in which `up` renews the certificate. `end` is None if this plan makes or renews
    the certificate. `issuer` is the URN of the authority, if the authority is in the stack. `keys` are the URNs of the
    private keys of the certificate, normally one.
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
        """Hours until the end, or the whole lifetime if this plan makes the certificate. None if unknown."""
        return self.lifetime if self.end is None else (self.end - now) / timedelta(hours=1)

    def expected_end(self, now: datetime) -> datetime | None:
        """The end; if this plan makes the certificate, then `now` plus the lifetime. None if unknown."""
        if self.end is None and self.lifetime is not None:
            return now + timedelta(hours=self.lifetime)
        return self.end

    @property
    def renewed_from(self) -> datetime | None:
        """The time from which `up` renews the certificate."""
        return self.end and self.end - timedelta(hours=self.window)


def is_authority(item: Item) -> bool:
    """Whether the certificate may sign others. If unknown, a self-signed certificate counts as an authority."""
    value = item.props.get("isCaCertificate")
    return item.type == SELF_SIGNED if value is UNKNOWN else bool(value)


def certificates(items: Sequence[Item], people: Iterable[str] = PEOPLE) -> list[Certificate]:
    """All certificates among the resources of a stack. `people` are the groups whose members are people.

    A member of one of the groups `DEPLOYERS` is a deployer, also if `people` has the group.
    """
    by_urn = {item.urn: item for item in items}
    groups: dict[Kind, tuple[str, ...]] = {"deployer": tuple(DEPLOYERS), "person": tuple(people)}
    found = [_certificate(item, by_urn, groups) for item in items if item.type in TYPES]
    return _with_real_ends(found, by_urn, items)


def _with_real_ends(
    found: Sequence[Certificate], by_urn: Mapping[str, Item], items: Iterable[Item]
) -> list[Certificate]:
    """The certificates, with the ends of those from a signing service in the place of the ends of their drafts.

    If the service was away when a draft was renewed, then the certificate in use ends earlier. The output
    `certificates` of the last complete `up` has its end. A plan that asks the service does not know the output.
    """
    stacks = [item for item in items if item.type == STACK]
    lines = [line for item in stacks if isinstance(all_ := item.props.get("certificates"), list) for line in all_]
    ends = {line["name"]: clock.parse(line["notAfter"]) for line in lines if isinstance(line, Mapping)}
    return [
        replace(one, end=min(one.end, ends[one.name]))
        if one.end and one.name in ends and one.issuer and matches(by_urn[one.issuer].name, DRAFTS)
        else one
        for one in found
    ]


def _certificate(item: Item, by_urn: Mapping[str, Item], groups: Mapping[Kind, tuple[str, ...]]) -> Certificate:
    requests = [by_urn[urn] for urn in _sources(item, "certRequestPem", REQUEST)]
    issuers = _sources(item, "caCertPem", *TYPES) or _by_text(item, by_urn.values())
    end = item.text("validityEndTime")
    return Certificate(
        urn=item.urn,
        name=item.name,
        kind=_kind(item, requests, groups),
        lifetime=item.number("validityPeriodHours"),
        window=item.number("earlyRenewalHours") or 0,
        end=clock.parse(end) if end else None,
        issuer=issuers[0] if len(issuers) == 1 else None,
        keys=tuple(urn for holder in (requests or [item]) for urn in _sources(holder, "privateKeyPem", KEY)),
        algorithm=next((text for holder in (*requests, item) if (text := holder.text("keyAlgorithm"))), None),
    )


def _kind(item: Item, requests: Iterable[Item], groups: Mapping[Kind, tuple[str, ...]]) -> Kind:
    if is_authority(item):
        return "authority"
    subjects = [holder.props.get("subject") for holder in requests]
    own = [s.get("organization") for s in subjects if isinstance(s, Mapping)]
    fits = (kind for kind, known in groups.items() if any(isinstance(o, str) and matches(o, known) for o in own))
    return next(fits, "machine")


def _sources(item: Item, name: str, *types: str) -> list[str]:
    """URNs of the resources of these types that a property depends on."""
    return [urn for urn in item.sources.get(name, ()) if urn.split("::")[2].rpartition("$")[2] in types]


def _by_text(item: Item, items: Iterable[Item]) -> list[str]:
    text = item.text("caCertPem")
    return [other.urn for other in items if text and other.type == SELF_SIGNED and other.text("certPem") == text]
