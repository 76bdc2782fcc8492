"""Makes missing pieces, several at the same time."""

import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tools.common.progress import Progress

_GLANCE_SECONDS = 0.1
_GRACE_SECONDS = 10.0


@dataclass(frozen=True)
class Piece:
    """Something to make: its label in the progress, a check whether it exists, and a function that makes it."""

    label: str
    is_done: Callable[[], bool]
    make: Callable[[Progress], object]
    group: str
    """Pieces of a group are made one after the other, because they share most of their work or need each other."""


def make_all(pieces: Sequence[Piece], at_once: int) -> None:
    """Make the pieces in their order, of at most `at_once` groups at the same time.

    A failure or an interruption ends the other pieces and is raised. Finished pieces are kept.
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
        except BaseException as error:  # raised below, in the calling thread
            failures.append(error)
            stopped.set()

    # Daemon threads, because a thread may wait for another process, and this process must be able to end meanwhile.
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
