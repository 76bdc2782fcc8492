"""Makes the same cluster in several ways, in turns on the same host: `make up`, kubeadm, and the floor."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.cpu import busy
from bench.floor import Floor
from bench.harvest import Harvest
from bench.kubeadm import Kubeadm
from bench.moments import FLOOR, KUBEADM, OURS, Moments
from bench.phases import Measured, Phase, groups_of, phases
from bench.run import down, first_up
from bench.watching import FirstAnswer
from components.config import Page, load
from tests.e2e.support.progress import Say
from tests.e2e.support.stack import Stack
from tools.common.paths import shared_cache
from tools.common.progress import Progress
from tools.common.store import Store, remove_tree
from tools.from_source import kubeadm

OTHERS = ("kubeadm",)
"""What `make up` can be compared with. The floor is always part of the comparison."""


@dataclass(frozen=True)
class Comparison:
    """The runs of each way by its name, the phases of each run of `make up`, and what failed in which run."""

    runs: dict[str, list[Moments]]
    phases: list[list[Phase]]
    failed: list[str]


def measure_against(stack: Stack, count: int, say: Say) -> Comparison:
    """Measure each way `count` times, in turns. Nothing stays on the host.

    Another way than `make up` may fail in a run: `failed` then says why. Raises AssertionError if `make up` fails.
    """
    store = Store(shared_cache() / "store")
    files = kubeadm.find(store)
    if files is None:
        with Progress("what kubeadm needs") as progress:
            files = kubeadm.build(store, progress)
    page, folder = page_of(stack.page), stack.clone.cache / "bench"
    floor = Floor(stack.clone, page, folder / "floor", say)
    other = Kubeadm(stack.clone, page, files, folder / "kubeadm", say)
    found = Comparison({OURS: [], KUBEADM: [], FLOOR: []}, [], [])

    def turn(way: str, number: int, measure: Callable[[], Moments]) -> None:
        try:
            found.runs[way].append(measure())
        except AssertionError as error:
            found.failed.append(f"run {number}, {way}: {error}")
            say(found.failed[-1])

    try:
        other.clear_away()
        floor.clear_away()
        for number in range(1, count + 1):
            say(f"run {number} of {count}")
            run, api, taken = _measure_ours(stack, floor)
            found.phases.append(phases(run, groups_of(stack.page)))
            found.runs[OURS].append(moments_of(run, found.phases[-1], api))
            turn(KUBEADM, number, other.measure)
            turn(FLOOR, number, partial(floor.measure, taken))
            say(
                f"run {number}: " + ", ".join(f"{way} {runs[-1].dns:.1f} s" for way, runs in found.runs.items() if runs)
            )
    finally:
        floor.clear_away()
        remove_tree(folder)
        stack.forget()
    return found


def page_of(values: Mapping[str, Any]) -> Page:
    """The page of a stack."""
    return load({key.removeprefix("hardway:"): value for key, value in values.items()})


def moments_of(run: Measured, spans: Sequence[Phase], api: float) -> Moments:
    """The moments of `make up`, from its phases. `api` is the time of the first answer, on the clock of the run.

    Images are pulled while pods start: the files of machines are complete without them.
    """
    ends = {phase.name: phase.ends for phase in spans}
    return Moments(
        machines=ends["machines started"],
        files=max(at for name, at in ends.items() if name.startswith("stage ")),
        api=api - run.begin,
        ready=ends["nodes Ready"],
        dns=run.dns - run.begin,
        returned=run.end - run.begin,
        cores=busy(run.cpu, run.begin, run.dns),
    )


def _measure_ours(stack: Stack, floor: Floor) -> tuple[Measured, float, Harvest]:
    def port() -> int | None:
        try:
            return stack.lab.port_base
        except FileNotFoundError:
            return None

    down(stack)
    try:
        with FirstAnswer(port) as answer:
            run = first_up(stack)
        return run, answer.at, floor.take(stack)
    finally:
        down(stack)
