"""The time with which rules compare certificates."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime

VARIABLE = "HARDWAY_NOW"


def now(environment: Mapping[str, str] = os.environ) -> datetime:
    """The current time in UTC, or the RFC 3339 time in HARDWAY_NOW: for tests, or to check a later date.

    Raises ValueError if HARDWAY_NOW is not a time with an offset.
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
    """The time in UTC. `text` is RFC 3339 as the tls provider writes it, with up to nine digits after the second."""
    head, dot, rest = text.partition(".")
    # A datetime has microseconds only.
    digits = rest.rstrip("Z").partition("+")[0].partition("-")[0] if dot else ""
    zone = rest[len(digits) :] if dot else ""
    return datetime.fromisoformat(f"{head}{dot}{digits[:6]}{zone}").astimezone(UTC)


def text(moment: datetime) -> str:
    """The time as RFC 3339 text in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
