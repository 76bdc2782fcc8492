"""Durations as the page writes them: a whole number and one unit, `15m`, `8760h`, `30d`."""

import re
from datetime import timedelta
from typing import Annotated

from components.config.section import Rule

_UNITS = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
LONGEST = timedelta(days=365 * 100)
"""A century: the longest time that the page accepts anywhere."""


def parse(text: str) -> timedelta | None:
    """`8760h` as a timedelta; None when `text` is not a duration."""
    match = _DURATION.fullmatch(text)
    return None if match is None else int(match[1]) * _UNITS[match[2]]


def hours(duration: timedelta) -> int:
    """Whole hours, the unit of pulumi-tls. Every `Lifetime` of a page is a whole number of hours."""
    return duration // timedelta(hours=1)


def text(duration: timedelta) -> str:
    """A duration in the largest unit up to hours that fits: 8760h, 15m, 90s."""
    for unit in "hm":
        if duration % _UNITS[unit] == timedelta(0):
            return f"{duration // _UNITS[unit]}{unit}"
    return f"{int(duration.total_seconds())}s"


def _lifetime_rule(least: timedelta) -> Rule:
    def check(value: str) -> str | None:
        duration = parse(value)
        if duration is None:
            return "is not a duration"
        if duration % timedelta(hours=1):
            return "is not a whole number of hours"
        if duration < least:
            return f"is shorter than {text(least)}"
        return "is longer than 100 years" if duration > LONGEST else None

    wanted = f"whole hours or days with their unit, such as 8760h or 30d, at least {text(least)}"
    return Rule("duration", wanted, check, convert=parse, unit="h or d", quote="it needs a unit")


def span_rule(least: str, examples: str, unit: str) -> Rule:
    """A duration from `least` to a day. `examples` and `unit` are for messages and the reference."""
    shortest = parse(least)

    def check(value: str) -> str | None:
        duration = parse(value)
        if duration is None or shortest is None:
            return "is not a duration"
        return None if shortest <= duration <= timedelta(days=1) else f"is not between {least} and 1d"

    wanted = f"a whole number with its unit, such as {examples}, {least} to 1d"
    return Rule("duration", wanted, check, convert=parse, unit=unit, quote="it needs a unit")


def between_rule(least: str, most: str) -> Rule:
    """A duration between two others, both included."""
    shortest, longest = parse(least), parse(most)

    def check(value: str) -> str | None:
        duration = parse(value)
        if duration is None or shortest is None or longest is None:
            return "is not a duration"
        return None if shortest <= duration <= longest else f"is not between {least} and {most}"

    wanted = f"a whole number with its unit, {least} to {most}"
    return Rule("duration", wanted, check, convert=parse, unit="s, m or h", quote="it needs a unit")


Span = Annotated[timedelta, span_rule("1s", "90s or 5m", "s, m or h")]
# Certificates count in hours because pulumi-tls does (validityPeriodHours, earlyRenewalHours).
LifeHours = Annotated[timedelta, _lifetime_rule(timedelta(hours=2))]
RenewalHours = Annotated[timedelta, _lifetime_rule(timedelta(hours=1))]
