"""The time axis of the drawing: where a time is, and at which times there are ticks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

MOST_TICKS = 9
"""The largest number of ticks of an axis. With more ticks, their labels would overlap."""

_LEAST = timedelta(days=1)
_WEEK = timedelta(days=7)
_IN_WEEKS = timedelta(days=62)
_MONTHS_A_YEAR = 12
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600)


@dataclass(frozen=True)
class Axis:
    """Times in UTC from `start` to `end`, drawn from `left` to `right` (pixels)."""

    start: datetime
    end: datetime
    left: float
    right: float

    @classmethod
    def until(cls, latest: datetime | None, now: datetime, left: float, right: float) -> Axis:
        """The axis from `now` to `latest`, at least one day long."""
        return cls(now, max(latest or now, now + _LEAST), left, right)

    def at(self, moment: datetime) -> float:
        """The position of a time in pixels. A time outside the axis is at the nearer end of the axis."""
        part = (moment - self.start) / (self.end - self.start)
        return self.left + (self.right - self.left) * min(max(part, 0.0), 1.0)

    def ticks(self) -> list[tuple[datetime, str]]:
        """Times with labels: first days of years or months; on an axis of at most 62 days, every seventh day."""
        if self.end - self.start <= _IN_WEEKS:
            return list(self._weeks())
        # One distance always fits: the last one, 50 years, is longer than the lifetime of a certificate.
        found = (list(self._firsts(months)) for months in _MONTHS)
        return next(ticks for ticks in found if len(ticks) <= MOST_TICKS)

    def _firsts(self, months: int) -> Iterator[tuple[datetime, str]]:
        """The first days of the months whose number, counted from the year 0, is divisible by `months`."""
        last = self.end.year * _MONTHS_A_YEAR + self.end.month - 1
        for number in range(self.start.year * _MONTHS_A_YEAR, last + 1):
            year, month = divmod(number, _MONTHS_A_YEAR)
            moment = datetime(year, month + 1, 1, tzinfo=self.start.tzinfo)
            if number % months == 0 and self.start <= moment <= self.end:
                yield moment, f"{moment:%Y}" if months >= _MONTHS_A_YEAR else f"{moment:%Y-%m}"

    def _weeks(self) -> Iterator[tuple[datetime, str]]:
        moment = self.start.replace(hour=0, minute=0, second=0, microsecond=0) + _WEEK
        while moment <= self.end:
            yield moment, f"{moment:%m-%d}"
            moment += _WEEK
