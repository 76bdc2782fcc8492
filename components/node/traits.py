"""Properties of all machines of a provider that are known at preview."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Traits:
    """Traits of all machines of a provider.

    `container`: the machines are containers, so they cannot set kernel limits, swap and OOM scores. `swap_off`: a unit
    turns swap off, at once and at every boot.
    """

    container: bool = False
    swap_off: bool = False
