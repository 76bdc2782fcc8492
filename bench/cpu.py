"""How many cores of the host were busy: shorter waits do not make a phase faster that keeps all cores busy."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.background import Background

_EVERY_SECONDS = 0.25
_STAT = Path("/proc/stat")
_TICKS_PER_SECOND = 100  # USER_HZ, the same on all Linux systems


@dataclass(frozen=True)
class Sample:
    """`worked`: seconds of work of all cores together since boot. `at`: the time on the monotonic clock, in seconds."""

    at: float
    worked: float


class CpuLog(Background):
    """Takes samples while the block runs."""

    def __init__(self) -> None:
        super().__init__()
        self.samples: list[Sample] = []

    def watch(self) -> None:
        """Take samples, the last one at the end."""
        while True:
            self.samples.append(_sample())
            if self.ended.wait(_EVERY_SECONDS):
                self.samples.append(_sample())
                return


def busy(samples: Sequence[Sample], begins: float, ends: float) -> float:
    """The mean number of busy cores between two times, from the last sample before and the first sample after them."""
    before = max((sample for sample in samples if sample.at <= begins), key=lambda s: s.at, default=samples[0])
    after = min((sample for sample in samples if sample.at >= ends), key=lambda s: s.at, default=samples[-1])
    return (after.worked - before.worked) / (after.at - before.at) if after.at > before.at else 0.0


def _sample() -> Sample:
    user, nice, system, _, _, irq, soft_irq, steal = (int(n) for n in _STAT.read_text().split(maxsplit=9)[1:9])
    return Sample(time.monotonic(), (user + nice + system + irq + soft_irq + steal) / _TICKS_PER_SECOND)
