"""Which processes of a command use how much CPU and memory: /proc, see proc(5)."""

import contextlib
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_EVERY_SECONDS = 0.2
_MEMORY_SECONDS = 0.4
"""Memory is looked at less often: the kernel walks through all pages of a process to tell its part of shared memory."""
_TICKS = os.sysconf("SC_CLK_TCK")
_KINDS = (
    ("pulumi-language-python-exec", "program"),
    ("pulumi.policy", "policies"),
    ("pulumi-language-python", "language host"),
    ("pulumi-resource-", "plugins"),
    ("pulumi", "engine"),
)
"""The first text that a command line contains says what the process is."""


@dataclass(frozen=True)
class Process:
    """One line of /proc/PID/stat. `cpu` is in seconds."""

    pid: int
    parent: int
    cpu: float


@dataclass(frozen=True)
class Usage:
    """`seconds` from the start to the end, `cpu` in seconds by kind of process.

    `held` is the memory in bytes by kind of process, at the moment at which all together had most of it. Memory that
    processes share counts once (Pss in proc(5)).
    """

    seconds: float
    cpu: Mapping[str, float]
    held: Mapping[str, int]

    @property
    def memory(self) -> int:
        """Bytes of memory of all processes."""
        return sum(self.held.values())

    @property
    def total(self) -> float:
        """Seconds of CPU of all processes."""
        return sum(self.cpu.values())


BESIDE = "without policies s | engine alone s | ratio | CPU s | CPU s of the engine alone | CPU ratio"
"""The titles of the columns that `beside` fills."""


def beside(ours: Usage, floor: Usage) -> str:
    """The columns of a table that compare a program with what the engine and the plugins need alone."""
    times = f"{ours.seconds:.1f} | {floor.seconds:.1f} | {ours.seconds / floor.seconds:.1f}"
    return f"{times} | {ours.total:.1f} | {floor.total:.1f} | {ours.total / floor.total:.1f}"


def watch(command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path) -> Usage:
    """Run a command to its end. Raises AssertionError with the end of its output if it fails."""
    seen: dict[int, tuple[str, float]] = {}
    begun, looked = time.monotonic(), 0.0
    held: Mapping[str, int] = {}
    with log.open("w") as output:
        running = subprocess.Popen(command, cwd=folder, env=dict(environment), stdout=output, stderr=output)
        while running.poll() is None:
            found_now = family(running.pid)
            for process in found_now:
                # A process is another one after exec.
                seen[process.pid] = (
                    kind_of(_command_line(process.pid)) or seen.get(process.pid, ("other",))[0],
                    process.cpu,
                )
            if time.monotonic() - looked >= _MEMORY_SECONDS:
                looked = time.monotonic()
                found = _memory({process.pid: seen[process.pid][0] for process in found_now})
                held = max(held, found, key=lambda kinds: sum(kinds.values()))
            time.sleep(_EVERY_SECONDS)
    assert running.returncode == 0, log.read_text()[-3000:]
    cpu = Counter[str]()
    for kind, used in seen.values():
        cpu[kind] += used
    return Usage(time.monotonic() - begun, dict(cpu), held)


def parse(stat: str) -> Process:
    """The content of /proc/PID/stat. The name of a program may have spaces and parentheses."""
    pid, _, rest = stat.partition(" (")
    fields = rest.rpartition(") ")[2].split()
    return Process(int(pid), int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICKS)


def family(root: int) -> list[Process]:
    """A running process with all processes below it."""
    return descendants(root, _processes())


def descendants(root: int, processes: Iterable[Process]) -> list[Process]:
    """A process with its children, their children, and so on."""
    known = list(processes)
    family, more = {root}, True
    while more:
        found = {process.pid for process in known if process.parent in family} - family
        family |= found
        more = bool(found)
    return [process for process in known if process.pid in family]


def kind_of(command_line: str) -> str:
    """What a process is. Empty if the process has ended and has no command line any more."""
    if not command_line:
        return ""
    return next((kind for text, kind in _KINDS if text in command_line), "other")


def pss(smaps_rollup: str) -> int:
    """The proportional set size in bytes, from the content of /proc/PID/smaps_rollup."""
    (size,) = (line.split()[1] for line in smaps_rollup.splitlines() if line.startswith("Pss:"))
    return int(size) * 1024


def _memory(kinds: Mapping[int, str]) -> Mapping[str, int]:
    """Memory by kind of the processes with these numbers. Processes that have ended have none."""
    held = Counter[str]()
    for pid, kind in kinds.items():
        with contextlib.suppress(OSError, ValueError):
            held[kind] += pss(Path(f"/proc/{pid}/smaps_rollup").read_text())
    return dict(held)


def _processes() -> list[Process]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            found.append(parse(path.read_text()))
        except OSError:
            continue
    return found


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
