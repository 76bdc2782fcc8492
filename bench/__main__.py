"""Prints the times of a local cluster as Markdown tables: python -m bench [--what ...] [--against ...] [--runs N]."""

import argparse
import os
import signal
import statistics
import sys
from collections.abc import Callable, Sequence

from bench import against, backup, hosts, mirror, moments, unchanged
from bench.fake_objects import page_with_room
from bench.phases import Phase, groups_of, medians, phases
from bench.policies import measure_policies, page_with_policies, policies_table
from bench.preview import measure_previews
from bench.preview import table as previews_table
from bench.rolling import Rolled, median_steps
from bench.run import OLD, measure, measure_upgrade, measure_worker
from bench.scale import check, measure_scale
from bench.scale_table import table as scale_table
from tests.e2e.support.progress import Reporter, Say
from tests.e2e.support.stack import Stack, laptop_page
from tools.from_source.catalogue import KUBERNETES_DEFAULT

NAME = "bench"
MOST_RUNS = 20
_ONE_RUN = ("backup", "preview", "hosts", "mirror", "unchanged", "scale")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print progress to standard error and the table to standard output, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=3, help=f"number of runs, 1 to {MOST_RUNS} (default 3); the table shows medians"
    )
    parser.add_argument(
        "--what",
        choices=("up", "upgrade", "worker", "policies", "backup", "preview", "hosts", "mirror", "unchanged", "scale"),
        default="up",
        help="what to measure: a new cluster (default), an upgrade, an added worker, the cost of network policies, "
        "snapshots of etcd (one run), previews of 5, 50 and 500 workers, runs that change nothing of as many, the "
        "stage of 200 hosts of which some are slow (one run, no machines), what 200 hosts ask of a mirror (one run, no "
        "machines), or a control plane for many nodes (one run)",
    )
    parser.add_argument(
        "--against",
        choices=against.OTHERS,
        help="make the same cluster in another way as well, and by the floor, in turns; only with --what up",
    )
    parser.add_argument("--nodes", type=int, default=500, help="scale: nodes without machines (default 500)")
    parser.add_argument("--pods", type=int, default=5000, help="scale: pods on these nodes (default 5000)")
    options = parser.parse_args(arguments)
    if options.against and options.what != "up":
        parser.error(f"--against: not with --what {options.what}; allowed: up")
    if not 1 <= options.runs <= MOST_RUNS:
        parser.error(f"--runs: {options.runs}; allowed: 1 to {MOST_RUNS}")
    if options.what == "scale" and (problem := check(options.nodes, options.pods)):
        parser.error(problem)
    # As Ctrl-C does: what was made is removed before the process ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    load = os.getloadavg()[0]
    say = Reporter(lambda line: print(line, file=sys.stderr, flush=True))
    runs = 1 if options.what in _ONE_RUN else options.runs
    kinds = {
        "up": _up,
        "upgrade": _upgrade,
        "worker": _worker,
        "policies": _policies,
        "backup": _backup,
        "preview": _preview,
        "hosts": _hosts,
        "mirror": _mirror,
        "unchanged": _unchanged,
        "scale": lambda _, say: _scale(options, say),
    }
    measure_kind = _against if options.against else kinds[options.what]
    found = measure_kind(runs, say)
    print(f"{runs} run(s) on {os.cpu_count()} cores with {_memory()} GiB; load before: {load:.1f}\n")
    print(found)
    return 0


def _up(count: int, say: Say) -> str:
    page = laptop_page(NAME)
    stack = Stack(NAME, page, say)
    runs, seconds = [], []
    for number in range(1, count + 1):
        say(f"run {number} of {count}")
        result = measure(stack)
        runs.append(phases(result.first, groups_of(page)))
        seconds.append(result.second)
        say(f"run {number}: {runs[-1][-1].takes:.1f} s, second up {result.second:.1f} s")
    return table(medians(runs), seconds, [run[-1].takes for run in runs])


def _against(count: int, say: Say) -> str:
    found = against.measure_against(Stack(NAME, laptop_page(NAME), say), count, say)
    return "\n".join([moments.table(found.runs), "", *_phases(medians(found.phases)), *found.failed])


def _upgrade(count: int, say: Say) -> str:
    return _steps(f"Kubernetes {OLD} to {KUBERNETES_DEFAULT}", measure_upgrade, count, say)


def _worker(count: int, say: Say) -> str:
    return _steps("an added worker", measure_worker, count, say)


def _policies(count: int, say: Say) -> str:
    stack = Stack(NAME, page_with_policies(laptop_page(NAME)), say)
    return policies_table(measure_policies(stack, count, say))


def _backup(_: int, say: Say) -> str:
    return backup.table(backup.measure_backup(Stack(NAME, laptop_page(NAME), say)))


def _preview(_: int, say: Say) -> str:
    return previews_table(measure_previews(say))


def _hosts(_: int, say: Say) -> str:
    return hosts.table(hosts.measure_hosts(say))


def _mirror(_: int, say: Say) -> str:
    return mirror.table(mirror.measure_mirror(say))


def _unchanged(_: int, say: Say) -> str:
    return unchanged.table(unchanged.measure_unchanged(say))


def _scale(options: argparse.Namespace, say: Say) -> str:
    page = page_with_room(laptop_page(NAME), options.nodes)
    return scale_table(measure_scale(Stack(NAME, page, say), options.nodes, options.pods))


def _steps(what: str, measure_once: Callable[[Stack], Rolled], count: int, say: Say) -> str:
    runs = []
    for number in range(1, count + 1):
        say(f"run {number} of {count}")
        runs.append(measure_once(Stack(NAME, laptop_page(NAME), say)))
        say(f"run {number}: {runs[-1].line()}")
    title = f"| {what} | takes s |"
    return "\n".join([title, "|---|---:|", *(f"| {name} | {takes:.1f} |" for name, takes in median_steps(runs))])


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def table(rows: Sequence[Phase], seconds: Sequence[float], totals: Sequence[float]) -> str:
    """The phases as a Markdown table in seconds, with the shortest and longest of all runs (`totals`, `seconds`)."""
    lines = [*_phases(rows), f"| a second `make up` that changes nothing | | | {statistics.median(seconds):.1f} | |"]
    spreads = [f"{name}: {min(many):.1f} to {max(many):.1f} s" for name, many in (("all", totals), ("second", seconds))]
    return "\n".join([*lines, "", "Medians; phases overlap. " + ", ".join(spreads) + "."])


def _phases(rows: Sequence[Phase]) -> list[str]:
    lines = ["| phase | begins at s | ends at s | takes s | cores busy |", "|---|---:|---:|---:|---:|"]
    return lines + [f"| {r.name} | {r.begins:.1f} | {r.ends:.1f} | {r.takes:.1f} | {r.cores:.1f} |" for r in rows]


if __name__ == "__main__":
    sys.exit(main())
