"""The stack output `certificates`: enough of each certificate to plan renewals, and nothing secret."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TypedDict

from components.config.generations import KeyGenerations

RFC3339 = "%Y-%m-%dT%H:%M:%SZ"


class CertificateEntry(TypedDict):
    """One line of the inventory; times are RFC 3339 in UTC, `renewedFrom` is when an `up` starts to renew it."""

    name: str
    use: str
    subject: str
    sans: list[str]
    issuer: str
    notAfter: str
    renewedFrom: str


def entry(
    *, name: str, use: str, subject: str, sans: Sequence[str], issuer: str, not_after: str, renew_before_hours: int
) -> CertificateEntry:
    """The entry of one certificate; `not_after` as tls reports it (RFC 3339, any offset), the window in hours."""
    end = datetime.fromisoformat(not_after).astimezone(UTC)
    return CertificateEntry(
        name=name,
        use=use,
        subject=subject,
        sans=list(sans),
        issuer=issuer,
        notAfter=end.strftime(RFC3339),
        renewedFrom=(end - timedelta(hours=renew_before_hours)).strftime(RFC3339),
    )


class KeyEntry(TypedDict):
    """A key that has no certificate, and therefore no end. `use` is service-account, encryption or ssh."""

    name: str
    use: str
    generation: int
    active: bool


def keys_in_use(generations: KeyGenerations, *, ssh: bool) -> list[KeyEntry]:
    """The stack output `keys`: every trusted generation of the keys that have no certificate.

    `ssh`: whether the program makes the SSH key with which it logs in at machines.
    """
    names = {"service-account": "service-account", "encryption": "encryption-key"} | ({"ssh": "ssh-key"} if ssh else {})
    return [
        KeyEntry(name=f"{name}-{number}", use=use, generation=number, active=number == of.active)
        for use, name in names.items()
        for of in [generations.by_key()[use]]
        for number in of.trusted
    ]
