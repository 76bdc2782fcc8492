"""What is special about the machines of a provider."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Traits:
    """Of all machines of a provider.

    `container`: the machine is a container itself, so the kernel's limits, swap and OOM scores are not its to set.
    `swap_off`: swap is to be turned off, at once and at every boot.
    """

    container: bool = False
    swap_off: bool = False
