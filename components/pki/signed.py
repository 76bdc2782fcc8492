"""Compares a certificate from a signing service with the draft of the certificate. Pure, without Pulumi.

A draft is a certificate with everything that is asked for: public key, names, usages, lifetime. Its signature does not
count.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from components.x509 import Certificate, certificates

TOLERANCE = timedelta(minutes=1)
"""By how much a certificate may end too late: the service rounds, and its clock may be ahead."""
SLACK = timedelta(hours=1)
"""By how much a certificate may end too early, at most: services let certificates begin a while ago, for clients with
slow clocks. It is less for lifetimes below ten hours: a tenth."""
AHEAD = timedelta(seconds=5)
"""How far in the future a certificate may begin. A host waits as long (docs/decisions/0061)."""


def wrong_content(text: str, draft_text: str, chain: str) -> str | None:
    """What is wrong with a certificate that does not depend on the time. None if nothing is.

    `text` is what the service returned. `chain` are the certificates of the page: the authority, then its issuers.
    """
    try:
        found = certificates(text)
    except ValueError as error:
        return f"the text of the certificate {error}"
    if len(found) != 1:
        return f"there are {len(found)} certificates instead of one"
    (one,), (draft,), authority = found, certificates(draft_text), certificates(chain)[0]
    return next(_wrong(one, draft, authority), None)


def wrong_time(text: str, draft_text: str, now: datetime) -> str | None:
    """What is wrong with the lifetime of a certificate that the service made at `now`. None if nothing is."""
    (one,), (draft,) = certificates(text), certificates(draft_text)
    lifetime = draft.not_after - draft.not_before
    least, left = lifetime - min(SLACK, lifetime / 10), one.not_after - now
    if one.not_before > now + AHEAD:
        return f"the certificate begins only in {_text(one.not_before - now)}"
    if least <= left <= lifetime + TOLERANCE:
        return None
    return f"the certificate lives for {_text(left)}, and the lifetime on the page is {_text(lifetime)}"


def _wrong(one: Certificate, draft: Certificate, authority: Certificate) -> Iterator[str]:
    if one.key.data != draft.key.data:
        yield "the certificate is for another public key"
    if not (one.names_as_issuer(authority) and one.is_signed_by(authority)):
        yield f"the certificate is signed by {str(one.issuer)!r}, not by the authority on the page"
    if one.is_authority or one.may_sign:
        yield "the certificate has the rights of an authority"
    if sorted(one.subject.parts) != sorted(draft.subject.parts):
        yield f"the certificate is for {str(one.subject)!r}, and {str(draft.subject)!r} was asked for"
    if (has := _names(one)) != (asked := _names(draft)):
        yield f"the certificate has the names {_listed(has)}, and {_listed(asked)} were asked for"
    if one.uses != draft.uses:
        yield "the certificate does not have exactly the extended key usages that were asked for"
    if missing := _usages(draft) - _usages(one):
        yield f"the certificate does not have the key usage {', '.join(sorted(missing))}"


def _names(one: Certificate) -> set[str]:
    """The alternative names, each with its kind."""
    from cryptography import x509

    names = _extension(one, x509.SubjectAlternativeName)
    return {f"{type(name).__name__}:{name.value}" for name in names} if names else set()


def _usages(one: Certificate) -> set[str]:
    from cryptography import x509

    usage = _extension(one, x509.KeyUsage)
    return {name for name in ("digital_signature", "key_encipherment") if usage and getattr(usage, name)}


def _extension(one: Certificate, kind: Any) -> Any:
    return next((extension.value for extension in one.loaded.extensions if isinstance(extension.value, kind)), None)


def _listed(names: set[str]) -> str:
    """The names without their kinds, in one line. The service chose them, so no control characters."""
    text = ", ".join(sorted(name.partition(":")[2] for name in names)) or "none"
    return "".join(c if c.isprintable() else "?" for c in text)


def _text(duration: timedelta) -> str:
    seconds = int(duration.total_seconds())
    return f"{seconds / 3600:.1f} hours" if abs(seconds) >= 3600 else f"{seconds} s"
