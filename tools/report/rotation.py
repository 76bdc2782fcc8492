"""The part of the report about rotations: which step the plan takes, and which step is next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components.config.generations import Generations
from components.config.rotation import read_recorded
from tools.report.markdown import Section, code, table
from tools.report.read import Preview, Values
from tools.rotate.steps import KEYS, Phase, next_step, phase_between

COMPONENT = "hardway:rollout:Rotation"
_COLUMNS = ("key", "this plan", "next step")
_INPUT = "generations"


def rotation_section(preview: Preview) -> Iterator[Section]:
    """A row for each key whose generations change, or none."""
    for step in preview.steps:
        if step.type == COMPONENT and step.operation in ("create", "update"):
            before, now = _all(step.old), _all(step.new)
            rows = [
                (code(name), _change(before[key], now[key]), next_step(name, now[key]).sentence().partition(": ")[2])
                for name, key in KEYS.items()
                if before[key] != now[key]
            ]
            if rows:
                yield table("Rotation", _COLUMNS, rows)


def _change(before: Generations, now: Generations) -> str:
    match phase_between(before, now):
        case Phase.USE:
            what = f"{Phase.USE} generation {now.active} instead of {before.active}"
        case Phase.TRUST:
            what = f"{Phase.TRUST} generation {min(set(now.trusted) - set(before.trusted))}"
        case Phase.DISTRUST:
            what = f"**{Phase.DISTRUST}** generation {min(set(before.trusted) - set(now.trusted))}"
    return f"{what}; trusted then: {', '.join(map(str, now.trusted))}"


def _all(inputs: Values) -> Mapping[str, Generations]:
    """The generations of every key. A stack of an earlier version has the first generations only."""
    found = inputs.get(_INPUT)
    return read_recorded(found if isinstance(found, Mapping) else {}).on_page()
