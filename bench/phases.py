"""Computes the phases of a run from the times of the engine and of systemd. Pure."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.cpu import Sample, busy
from bench.events import Event
from components.resource_names import NodeResource

BEGUN, DONE = "resourcePreEvent", "resOutputsEvent"
Matches = Callable[[Event], bool]


@dataclass(frozen=True)
class Phase:
    """A part of a run, in seconds since the beginning of the run. Phases overlap."""

    name: str
    begins: float
    ends: float
    cores: float = 0.0
    """The mean number of busy cores of the host."""

    @property
    def takes(self) -> float:
        """The duration in seconds."""
        return self.ends - self.begins


@dataclass(frozen=True)
class UnitTimes:
    """The first start and the last readiness of a unit on all machines, in seconds on the clock of the events."""

    started: float
    ready: float


@dataclass(frozen=True)
class Measured:
    """One run. All times are in seconds on the same clock."""

    begin: float
    events: Sequence[Event]
    units: Mapping[str, UnitTimes]
    """Times by unit: etcd, kube-apiserver, kubelet."""
    end: float
    """When `make up` returned."""
    dns: float
    """When a DNS query for a name of the cluster was answered."""
    cpu: Sequence[Sample] = ()


def groups_of(page: Mapping[str, Any]) -> dict[str, list[str]]:
    """The names of the nodes of a page that are activated together, by a title."""
    groups: dict[str, list[str]] = {"etcd and control plane": [], "workers": []}
    for node in page["hardway:nodes"]:
        groups["workers" if node["roles"] == ["worker"] else "etcd and control plane"].append(node["name"])
    return groups


def phases(run: Measured, groups: Mapping[str, Sequence[str]]) -> list[Phase]:
    """The phases in their usual order. `groups` has the names of nodes that are activated together, by a title."""
    begin, events = run.begin, run.events
    prelude = next(event.at for event in events if event.kind == "preludeEvent")
    first = next(event.at for event in events if event.kind == BEGUN)
    found = [
        Phase("make, tools checked, engine started", 0, prelude - begin),
        Phase("plugins and program loaded", prelude - begin, first - begin),
        _span("certificates and keys", run, lambda event: event.type.startswith("tls:")),
        _span("machines started", run, _is_machine),
        *(
            _span(f"stage {node}", run, _named(NodeResource.STAGE.name_for(node)))
            for nodes in groups.values()
            for node in nodes
        ),
        *(
            Phase(f"{what}: first start to last ready", times.started - begin, times.ready - begin)
            for what, times in run.units.items()
        ),
        *(
            _span(f"activated, all healthy: {group}", run, _named(*map(NodeResource.ACTIVATE.name_for, nodes)))
            for group, nodes in groups.items()
        ),
        _span("flannel", run, _named("flannel-daemons")),
        _span("nodes Ready", run, lambda event: event.type == "kubernetes:core/v1:Node"),
        _span("CoreDNS", run, _named("coredns-servers")),
        Phase("engine ends, kubeconfig written", max(event.at for event in events) - begin, run.end - begin),
        Phase("DNS answers a query", run.end - begin, run.dns - begin),
        Phase("**all: no machines to all Ready and DNS**", 0, run.dns - begin),
    ]
    return [
        replace(phase, cores=busy(run.cpu, phase.begins + begin, phase.ends + begin) if run.cpu else 0.0)
        for phase in found
        if phase is not None
    ]


def medians(runs: Sequence[Sequence[Phase]]) -> list[Phase]:
    """The median of each phase over several runs, separately for beginning, duration and cores."""
    result = []
    for same in zip(*runs, strict=True):
        begins, takes, cores = (
            statistics.median(values) for values in zip(*((p.begins, p.takes, p.cores) for p in same), strict=True)
        )
        result.append(Phase(same[0].name, begins, begins + takes, cores))
    return result


def _span(name: str, run: Measured, matches: Matches) -> Phase | None:
    """The time from the first beginning to the last end of the matching resources. None if no resource matches."""
    begun = [event.at for event in run.events if event.kind == BEGUN and matches(event)]
    done = [event.at for event in run.events if event.kind == DONE and matches(event)]
    return Phase(name, min(begun) - run.begin, max(done) - run.begin) if begun and done else None


def _is_machine(event: Event) -> bool:
    """Whether an event is about a local machine or about the network of local machines."""
    return event.name == "lab-network" or NodeResource.MACHINE.node_in(event.name) != ""


def _named(*names: str) -> Matches:
    return lambda event: event.name in names
