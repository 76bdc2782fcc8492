"""Compares the clocks of hosts with each other and with the clock of the operator's machine. Standard library only.

The plugin tls lets a certificate begin when it is made, by the clock of the operator's machine, and has no setting for
an earlier begin. A host whose clock is behind says "not yet valid" until its own clock gets there.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

BETWEEN_HOSTS, BEHIND, AHEAD = 5, 5, 60
"""Seconds by which the clocks of hosts may differ, and be behind or ahead of the clock of the operator's machine.

NTP keeps clocks within half a second: systemd-timesyncd steps a clock that is 0.4 s off, chrony is more exact. So a
host that differs by 5 s does not get the time, and will differ by more. A certificate is used some seconds after it was
made, and `stage` on a host (clock.sh) waits for the rest of the 5 s. A host that is ahead sees certificates end too
early, and bootstrap tokens, which live for an hour: a minute harms nobody, and may be an error of the operator's clock.
"""


@dataclass(frozen=True)
class Offset:
    """By how many seconds a clock is ahead of the clock of the operator's machine: at least `low`, at most `high`.

    The difference of two readings contains the time that the answer took, which is seconds on a busy machine. A slow
    answer makes the interval wide and never moves it off the truth, so no host is refused for being slow.
    """

    low: float
    high: float

    @classmethod
    def between(cls, first: int, last: int, started: float, ended: float) -> Offset:
        """The offset from two readings of the host's clock, in whole seconds, between two readings of the own clock."""
        # A reading of 7 was taken before 8.
        return cls(low=last - ended, high=first + 1 - started)


UNKNOWN = Offset(float("-inf"), float("inf"))


def middle_of(offsets: Sequence[Offset]) -> Offset:
    """The interval with the median of the true offsets."""
    if not offsets:
        return UNKNOWN
    return Offset(
        statistics.median_low([offset.low for offset in offsets]),
        statistics.median_low([offset.high for offset in offsets]),
    )


def wrong_clock(offset: Offset, middle: Offset) -> Iterator[str]:
    """At most one finding about a clock: only a difference that is certain counts."""
    behind, ahead = middle.low - offset.high, offset.low - middle.high
    if max(behind, ahead) > BETWEEN_HOSTS:
        yield _said(behind, ahead, "the clocks of the other hosts", BETWEEN_HOSTS, _WHY_HOSTS)
    elif -offset.high > BEHIND:
        yield _said(-offset.high, 0, "the clock of this machine", BEHIND, _WHY_BEHIND)
    elif offset.low > AHEAD:
        yield _said(0, offset.low, "the clock of this machine", AHEAD, _WHY_AHEAD)


_WHY_HOSTS = "etcd and certificates need one time; run on the host: timedatectl set-ntp true"
_WHY_BEHIND = (
    "certificates begin when they are made here, and the host would call them not yet valid; "
    "run on the host, or on this machine if its clock is wrong: timedatectl set-ntp true"
)
_WHY_AHEAD = (
    "certificates would end too early on the host; "
    "run on the host, or on this machine if its clock is wrong: timedatectl set-ntp true"
)


def _said(behind: float, ahead: float, whose: str, limit: int, why: str) -> str:
    word = "ahead of" if ahead > behind else "behind"
    return f"the clock is {max(behind, ahead):.0f} s {word} {whose}; allowed: {limit} s. Reason: {why}"
