"""How health checks ask a service of their own machine."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from components.config.rollout import ANSWER
from components.node.model import NodePart

_CURL = "curl -fsS --noproxy '*' --max-time {}"
_CTR = "ctr --connect-timeout {}s"
CURL = _CURL.format(int(ANSWER.total_seconds()))
"""Never through a proxy: a host may set one for its downloads, and no proxy reaches the host's own services."""
CTR = _CTR.format(int(ANSWER.total_seconds()))
"""The client of containerd."""


def patient(part: NodePart, limit: timedelta) -> NodePart:
    """The part with another limit for each question about health."""
    seconds = int(limit.total_seconds())

    def health(text: str) -> str:
        return text.replace(CURL, _CURL.format(seconds)).replace(CTR, _CTR.format(seconds))

    return replace(part, units=tuple(replace(unit, health=health(unit.health)) for unit in part.units))
