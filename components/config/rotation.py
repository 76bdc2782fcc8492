"""The steps of a rotation: which generations of a key may follow the generations of the last complete `up`.

There are three steps: trust the next generation, use the next generation, stop trusting the previous generation. A step
is safe only if the previous step is complete on every machine. The first two steps can be taken back; the last cannot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from components.config.errors import Finding
from components.config.generations import Generations, KeyGenerations

PATH = "pki.generations"


def recorded(generations: KeyGenerations) -> dict[str, Any]:
    """The generations as a stack output, with the keys of the page."""
    values: dict[str, Any] = generations.model_dump(mode="json", by_alias=True)
    return values


def read_recorded(record: Mapping[str, Any]) -> KeyGenerations:
    """The generations in a result of `recorded`, as a program, a state or an event of Pulumi has it.

    If the record does not have a key, then the key is in its first generation. Raises ValueError for a wrong record.
    """
    known = {key: record[key] for key in KeyGenerations().on_page() if record.get(key)}
    return KeyGenerations.model_validate(whole_numbers(known))


def whole_numbers(value: object) -> object:
    """The value with integers in the place of floats: the engine returns every number as a float."""
    if isinstance(value, Mapping):
        return {key: whole_numbers(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [whole_numbers(entry) for entry in value]
    return int(value) if isinstance(value, float) else value


def refused_steps(before: Mapping[str, Any], now: KeyGenerations) -> list[Finding]:
    """A finding for each key whose generations `now` cannot follow its generations `before`.

    `before` is a result of `recorded`. If `before` does not have a key, then an earlier version of the program made the
    cluster.
    """
    last = read_recorded(before).on_page()
    return [
        finding
        for key, generations in now.on_page().items()
        for finding in _refused(f"{PATH}.{key}", last[key], generations)
    ]


def _refused(path: str, before: Generations, now: Generations) -> Iterator[Finding]:
    had = list(before.trusted)
    reused = [number for number in now.trusted if number not in had and number < max(had)]
    if reused:
        problem = f"generation {reused[0]} is not among {had}, the generations of the last complete `up`, and older"
        yield Finding(f"{path}.trusted", problem, f"{had} and {max(had) + 1}: a number is never used for a second key")
    elif now.active not in had:
        both = [*had, now.active]
        problem = f"generation {now.active} cannot be used: the last complete `up` did not trust it"
        yield Finding(
            f"{path}.active", problem, f"first `trusted: {both}` with `active: {before.active}`, and one `up`"
        )
    elif before.active not in now.trusted:
        problem = f"generation {before.active} was in use in the last complete `up`"
        allowed = f"first `trusted: {had}` with `active: {now.active}`, and one `up`"
        yield Finding(f"{path}.trusted", problem, allowed)
