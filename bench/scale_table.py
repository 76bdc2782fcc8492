"""The result of `--what scale` as Markdown. Pure."""

from collections.abc import Sequence

from bench.inside import ORDER
from bench.scale import Scale, State

_RULES = {
    "rules": "rules",
    "chains": "chains",
    "elements": "elements of maps and sets",
    "pods": "pods in maps of rules",
}


def table(found: Scale) -> str:
    """Each measured value with no nodes without machines, and with all of them."""
    states = (found.empty, found.full)
    lines = [
        f"| | {found.empty.nodes:,} nodes more | {found.full.nodes:,} nodes more, {found.full.pods:,} pods |",
        "|---|---:|---:|",
    ]
    for kind in found.full.latencies:
        lines.append(_row(f"{kind}: p50, p99 ms", [_latency(state, kind) for state in states]))
    lines.append(_row("requests that failed", [str(_failed(state)) for state in states]))
    lines.append(_row("cores busy meanwhile", [f"{state.cores:.1f}" for state in states]))
    for component in ORDER:
        lines.append(_row(f"{component}: MiB; cores", [_use(state, component) for state in states]))
    for what in found.full.inside.connections:
        lines.append(_row(f"clients of {what}, at most", [str(state.inside.connections[what]) for state in states]))
    for what, words in _RULES.items():
        counts = [f"{getattr(state.inside.rules, what):,}" for state in states]
        lines.append(_row(f"kube-proxy: {words} in the kernel of a node", counts))
    lines.append(_row("flannel: routes of a node", [str(state.inside.routes) for state in states]))
    lines.append(_row("etcd: keys", [f"{state.inside.keys:,}" for state in states]))
    lines.append(_row("etcd: database, MiB", [_range(state.inside.database) for state in states]))
    lines.append(_row("etcd: of it in use, MiB", [_range(state.inside.in_use) for state in states]))
    for step in found.full.roll.steps:
        lines.append(_row(f"a flag of API servers, {step.name}: s", [_step(state, step.name) for state in states]))
    lines.append(_row("probes meanwhile: requests, failed, longest gap s", [_probes(state) for state in states]))
    lines.append(_row("a `make up` that changes nothing: s", [f"{state.unchanged:.1f}" for state in states]))
    end = f"All nodes were Ready after {found.ready:.0f} s, then all pods were running after {found.running:.0f} s"
    checks = found.checks
    costs = (
        f"A check of a proxy costs an API server {checks.milliseconds:.2f} ms of CPU ({checks.proxies} proxies: "
        f"{checks.without:.2f} and {checks.during:.2f} cores). Those of {found.full.nodes:,} nodes, which this cluster "
        f"does not have, would be {checks.cores_for(found.full.nodes):.2f} cores of each API server."
    )
    return "\n".join([*lines, "", f"{end}. {_again(found)} {costs}"])


def _row(what: str, cells: Sequence[str]) -> str:
    return f"| {what} | {' | '.join(cells)} |"


def _latency(state: State, kind: str) -> str:
    return f"{state.latencies[kind].p50:.0f}, {state.latencies[kind].p99:.0f}"


def _failed(state: State) -> int:
    return sum(latencies.failed for latencies in state.latencies.values())


def _use(state: State, component: str) -> str:
    """Memory on each machine, and the cores of all machines together."""
    memory = _range([one.memory for one in state.inside.use.get(component, ())])
    return f"{memory}; {state.used.get(component, 0.0):.2f}"


def _range(values: Sequence[float]) -> str:
    """The smallest and the largest value, or the only one."""
    if not values:
        return "-"
    low, high = f"{min(values):.0f}", f"{max(values):.0f}"
    return low if low == high else f"{low} to {high}"


def _step(state: State, name: str) -> str:
    return next((f"{step.takes:.1f}" for step in state.roll.steps if step.name == name), "-")


def _probes(state: State) -> str:
    return f"{state.roll.sent}, {state.roll.failed}, {state.roll.longest_gap:.1f}"


def _again(found: Scale) -> str:
    """How long the pods took with the flags of a large page."""
    if found.again is None:
        return "A page with as many nodes has the same flags."
    given = [f"{component} --{name}={value}" for component, own in found.flags.items() for name, value in own.items()]
    flags = f"the flags of a page with as many nodes ({', '.join(given)})"
    return f"With {flags}, they were running again after {found.again:.0f} s."
