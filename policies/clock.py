"""The time that rules compare with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime

VARIABLE = "HARDWAY_NOW"


def now(environment: Mapping[str, str] = os.environ) -> datetime:
    """The present in UTC, or the RFC 3339 time in HARDWAY_NOW: a test's clock, or a look ahead.

    Raises ValueError when that is not a time with an offset.
    """
    given = environment.get(VARIABLE)
    if not given:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(f"{VARIABLE}: {given!r} is not a time; allowed: RFC 3339 such as 2026-11-21T09:00:00Z")
    return moment.astimezone(UTC)


def parse(text: str) -> datetime:
    """An RFC 3339 time as the tls provider writes it, with up to nine digits of a second, in UTC."""
    head, dot, rest = text.partition(".")
    # datetime has microseconds.
    digits = rest.rstrip("Z").partition("+")[0].partition("-")[0] if dot else ""
    zone = rest[len(digits) :] if dot else ""
    return datetime.fromisoformat(f"{head}{dot}{digits[:6]}{zone}").astimezone(UTC)


def text(moment: datetime) -> str:
    """The time to the second, RFC 3339 in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
