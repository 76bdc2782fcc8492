"""What is wrong with certificates on the page that verify a service outside of the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from components.config.errors import Finding
from components.x509 import certificates


def authority_findings(path: str, text: str) -> Iterator[Finding]:
    """A finding for each certificate in PEM with which no program can verify a server."""
    yield from certificate_findings(path, text, only_authorities=True)


def certificate_findings(path: str, text: str, *, only_authorities: bool = False) -> Iterator[Finding]:
    """A finding if the certificates in PEM cannot be read, and for each one if all of them have ended.

    `only_authorities`: none may be the certificate of a server itself.
    """
    now = datetime.now(UTC)
    try:
        found = certificates(text)
    except ValueError as error:
        yield Finding(path, f"the text {error}", "certificates in PEM form")
        return
    for one in found:
        the = f"the certificate {str(one.subject)!r}"
        if only_authorities and not one.is_authority:
            yield Finding(path, f"{the} is not that of an authority", "basicConstraints with CA:TRUE")
        # One that is left over from a rollover, beside a valid one, must not stop runs that renew other certificates.
        if all(each.not_after <= now for each in found):
            problem = f"{the} ended {one.not_after.strftime('%Y-%m-%d %H:%M UTC')}"
            yield Finding(path, problem, "at least one certificate that has not ended")
