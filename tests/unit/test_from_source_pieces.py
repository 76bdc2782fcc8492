"""Pieces are made at the same time, in the order of their group, until a piece fails or the run is interrupted."""

import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.common.errors import ToolError
from tools.common.progress import Progress, run_logged
from tools.common.store import Store
from tools.from_source.pieces import Piece, make_all

CLONE = Path(__file__).parents[2]


def piece(group: str, make: Callable[[Progress], object], label: str = "thing") -> Piece:
    return Piece(label, lambda: False, make, group)


def test_groups_are_made_side_by_side_and_each_in_its_order(capsys: pytest.CaptureFixture[str]) -> None:
    met, made = threading.Barrier(2, timeout=10), []

    def meet(_: Progress) -> None:
        met.wait()

    make_all(
        [
            piece("a", lambda _: made.append("a1"), "a1"),
            piece("b", meet),
            piece("a", lambda _: made.append("a2"), "a2"),
            piece("a", meet),
        ],
        2,
    )
    assert made == ["a1", "a2"]
    said = capsys.readouterr().err
    assert {int(number) for number in re.findall(r"\[(\d)/4\] .*: done in", said)} == {1, 2, 3, 4}


def test_groups_wait_when_there_are_more_than_are_made_at_once() -> None:
    running, most = 0, 0
    lock, two = threading.Lock(), threading.Barrier(2)

    def make(_: Progress) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        two.wait(30)
        with lock:
            running -= 1

    make_all([piece(str(number), make) for number in range(6)], 2)
    assert most == 2


def test_a_failure_ends_the_others_and_is_raised(tmp_path: Path) -> None:
    store, begun, after = Store(tmp_path / "store"), threading.Event(), []

    def wait(progress: Progress) -> None:
        def build(_: Path) -> None:
            begun.set()
            run_logged(["sleep", "60"], tmp_path / "log", progress)

        store.make("slow", "0" * 20, build)

    def fail(_: Progress) -> None:
        assert begun.wait(10)
        raise ToolError("no such module")

    start = time.monotonic()
    with pytest.raises(ToolError, match="no such module"):
        make_all([piece("a", wait), piece("b", fail), piece("b", after.append), piece("c", after.append)], 2)
    assert time.monotonic() - start < 30
    assert after == []
    assert list((tmp_path / "store" / ".tmp").iterdir()) == []


def test_an_interruption_ends_what_is_being_made(tmp_path: Path) -> None:
    script = """
        import signal
        import sys
        from pathlib import Path
        from tools.from_source.pieces import Piece, make_all
        from tools.common.progress import run_logged

        # A shell starts what runs in the background with the signal ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        log = Path(sys.argv[1])
        def make(progress):
            run_logged(["sh", "-c", "echo $$ >> " + sys.argv[2] + "; exec sleep 60"], log, progress)
        make_all([Piece("slow", lambda: False, make, str(number)) for number in range(2)], 2)
    """
    pids = tmp_path / "pids"
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "log"), str(pids)]
    with subprocess.Popen(command, cwd=CLONE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 20
        while not (pids.exists() and len(pids.read_text().split()) == 2):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in said
    assert [pid for pid in pids.read_text().split() if Path(f"/proc/{pid}").exists()] == []
