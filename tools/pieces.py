"""Makes what is missing, a few pieces at a time."""

import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tools.progress import Progress

_GLANCE_SECONDS = 0.1
_GRACE_SECONDS = 10.0


@dataclass(frozen=True)
class Piece:
    """One line of the progress: what is made, whether it is there, and how it is made."""

    label: str
    is_done: Callable[[], bool]
    make: Callable[[Progress], object]
    group: str
    """Pieces of a group are made one after the other: they share most of their work, or wait for each other."""


def make_all(pieces: Sequence[Piece], at_once: int) -> None:
    """Make pieces of at most `at_once` groups at the same time, in their order.

    What fails, or an interruption, ends the others and is raised; what was finished is kept.
    """
    groups: dict[str, list[Piece]] = {}
    for piece in pieces:
        groups.setdefault(piece.group, []).append(piece)
    left, numbers = iter(list(groups.values())), itertools.count(1)
    stopped, failures = threading.Event(), list[BaseException]()

    def work() -> None:
        # All workers take their next group from the same iterator.
        try:
            for piece in itertools.chain.from_iterable(left):
                if stopped.is_set():
                    return
                with Progress(f"[{next(numbers)}/{len(pieces)}] {piece.label}", stopped) as progress:
                    piece.make(progress)
        except BaseException as error:  # it is raised where all of this was asked for
            failures.append(error)
            stopped.set()

    # Daemons, since one may wait for what another process makes: that must not keep anybody from leaving.
    workers = [threading.Thread(target=work, daemon=True) for _ in range(at_once)]
    for worker in workers:
        worker.start()
    try:
        while any(worker.is_alive() for worker in workers) and not stopped.wait(_GLANCE_SECONDS):
            pass
    finally:
        stopped.set()
        for worker in workers:
            worker.join(_GRACE_SECONDS)
    if failures:
        raise failures[0]
