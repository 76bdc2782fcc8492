"""What the `certificates` stack output says of each certificate: enough to plan renewals, nothing secret."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TypedDict

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
