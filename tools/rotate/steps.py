"""Computes the next step of a rotation from the generations of a key on the page. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from components.config.generations import Generations

SSH_KEY = "ssh-key"
KEYS = {
    "kubernetes-ca": "kubernetes",
    "etcd-ca": "etcd",
    "front-proxy-ca": "frontProxy",
    "service-account": "serviceAccount",
    "encryption": "encryption",
    SSH_KEY: "ssh",
}
"""The names of keys on the command line, with their keys below `pki.generations` on the page."""
ALL = "all"


class Phase(StrEnum):
    """The three steps of a rotation, in their order."""

    TRUST = "trust"
    USE = "use"
    DISTRUST = "stop trusting"


@dataclass(frozen=True)
class Step:
    """One change of the page: trust, use or stop trusting `generation`. `after` are the generations after the step."""

    key: str
    phase: Phase
    generation: int
    after: Generations

    def sentence(self) -> str:
        """The step as a line for people."""
        number = list(Phase).index(self.phase) + 1
        return f"{self.key}: step {number} of {len(Phase)}: {self.phase} generation {self.generation}"


def next_step(key: str, now: Generations) -> Step:
    """The step that follows the generations `now`. The first step of the next rotation follows the last step."""
    newest = max(now.trusted)
    if now.active != newest:
        return Step(key, Phase.USE, newest, Generations(trusted=now.trusted, active=newest))
    if not now.is_single:
        old = now.trusted[0]
        return Step(key, Phase.DISTRUST, old, Generations(trusted=now.trusted[1:], active=newest))
    return Step(key, Phase.TRUST, newest + 1, Generations(trusted=(newest, newest + 1), active=newest))


def next_steps(what: Iterable[str], page: Mapping[str, Generations]) -> list[Step]:
    """The steps that are taken together.

    `what` are names in `KEYS`. `page` has the generations on the page, by key below `pki.generations`. If some keys in
    `what` are in the middle of a rotation, then the steps are the next steps of only those keys. Otherwise each key in
    `what` begins a rotation.
    """
    steps = [next_step(name, page.get(KEYS[name], Generations())) for name in what]
    begun = [step for step in steps if step.phase is not Phase.TRUST]
    return begun or steps


def begun_steps(before: Mapping[str, Generations], now: Mapping[str, Generations]) -> Mapping[str, Phase]:
    """The steps that lead from the generations `before` to the generations `now`, by name in `KEYS`.

    Both have the generations of all keys, by key below `pki.generations`.
    """
    return {name: phase_between(before[key], now[key]) for name, key in KEYS.items() if now[key] != before[key]}


def phase_between(before: Generations, now: Generations) -> Phase:
    """The step between two different generations of a key."""
    if now.active != before.active:
        return Phase.USE
    return Phase.TRUST if set(now.trusted) - set(before.trusted) else Phase.DISTRUST
