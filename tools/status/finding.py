"""A finding of `make status`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Something to look at. `acts`: somebody has to act; otherwise it is only worth knowing."""

    acts: bool
    text: str
