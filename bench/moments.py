"""The moments of several ways to make the same cluster, and what they say beside each other. Pure."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

OURS, KUBEADM, FLOOR = "`make up`", "kubeadm", "the floor"


@dataclass(frozen=True)
class Moments:
    """One run of one way: seconds since its first command, when there was nothing."""

    machines: float
    """All machines have started."""
    files: float
    """All machines have their files, and images that are brought beforehand."""
    api: float
    """The first API server answers through the load balancer."""
    ready: float
    """All nodes are Ready."""
    dns: float
    """A query for a name of the cluster is answered, after all nodes are Ready."""
    returned: float
    """The last command has returned."""
    cores: float
    """The mean number of busy cores of the host, until `dns`."""


_ROWS: Mapping[str, Callable[[Moments], float]] = {
    "machines started": lambda run: run.machines,
    "files and images in": lambda run: run.files,
    "first API server answers": lambda run: run.api,
    "all nodes Ready": lambda run: run.ready,
    "DNS answers": lambda run: run.dns,
    "the last command has returned": lambda run: run.returned,
    "cores busy": lambda run: run.cores,
}
_SPANS: Mapping[str, Callable[[Moments], float]] = {
    "no machines to all Ready": lambda run: run.ready,
    "no machines to answered DNS": lambda run: run.dns,
    "files and images in to all Ready": lambda run: run.ready - run.files,
    "files and images in to answered DNS": lambda run: run.dns - run.files,
}
_PAIRS = ((OURS, KUBEADM), (OURS, FLOOR), (FLOOR, KUBEADM))
"""The last pair is what the first one would be if `make up` checked nothing and knew everything beforehand."""


def table(runs: Mapping[str, Sequence[Moments]]) -> str:
    """Two Markdown tables: medians of each moment, and ratios of the medians of two ways.

    `runs` has the runs of each of the three ways by its name. A way of which every run has failed has `-`.
    """
    ways = list(runs)
    lines = [f"| moment, in seconds | {' | '.join(ways)} |", f"|---|{'---:|' * len(ways)}"]
    for name, of in _ROWS.items():
        values = [f"{statistics.median(map(of, runs[way])):.1f}" if runs[way] else "-" for way in ways]
        lines.append(f"| {name} | {' | '.join(values)} |")
    heads = [f"{ours} : {others}" for ours, others in _PAIRS]
    lines += ["", f"| ratio | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}"]
    for name, of in _SPANS.items():
        ratios = [_ratio(runs[ours], runs[others], of) for ours, others in _PAIRS]
        lines.append(f"| {name} | {' | '.join(ratios)} |")
    spreads = [f"{way} {_spread(runs[way])}" for way in ways]
    return "\n".join([*lines, "", f"Medians. No machines to answered DNS: {', '.join(spreads)}."])


def _ratio(ours: Sequence[Moments], others: Sequence[Moments], of: Callable[[Moments], float]) -> str:
    if not (ours and others):
        return "-"
    return f"{statistics.median(map(of, ours)) / statistics.median(map(of, others)):.2f}"


def _spread(runs: Sequence[Moments]) -> str:
    values = [run.dns for run in runs]
    return f"{min(values):.1f} to {max(values):.1f} s ({len(runs)} run(s))" if runs else "none"
