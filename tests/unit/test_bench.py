"""Phases from recorded times, usage of processes, and the tables."""

import json
import os
import sys
from pathlib import Path

import pytest

from bench import backup, preview
from bench.__main__ import table
from bench.cpu import Sample, busy
from bench.events import Event
from bench.phases import BEGUN, DONE, Measured, UnitTimes, medians, phases
from bench.policies import ISOLATED, OPEN, Turn, page_with_policies, policies_table
from bench.processes import Usage, descendants, kind_of, parse, pss, watch
from bench.rolling import Step, steps
from bench.writes import Latencies
from components.config import load
from tests.e2e.support.probe import Report, Tally
from tests.e2e.support.stack import laptop_page


def resource(name: str, begun: float, done: float, kind: str = "command:remote:Command") -> list[Event]:
    return [Event(begun, BEGUN, kind, name), Event(done, DONE, kind, name)]


@pytest.fixture
def run() -> Measured:
    events = [
        Event(101, "preludeEvent"),
        *resource("dev", 102, 139, "pulumi:pulumi:Stack"),
        *resource("ca", 103, 104, "tls:index/privateKey:PrivateKey"),
        *resource("leaf", 103.5, 107, "tls:index/privateKey:PrivateKey"),
        *resource("a-stage", 110, 115),
        *resource("b-stage", 110, 112),
        *resource("a-activate", 115, 125),
        *resource("b-activate", 126, 127),
    ]
    cpu = [Sample(100 + second, 2.0 * second) for second in range(60)]
    return Measured(100, events, {"etcd": UnitTimes(114, 116)}, 140, 141, cpu)


def test_phases_span_their_resources(run: Measured) -> None:
    found = {phase.name: phase for phase in phases(run, {"masters": ["a"], "workers": ["b"]})}
    spans = {name: (phase.begins, phase.ends) for name, phase in found.items()}
    assert spans["certificates and keys"] == (3, 7)
    assert spans["stage a"] == (10, 15)
    assert spans["activated, all healthy: masters"] == (15, 25)
    assert spans["activated, all healthy: workers"] == (26, 27)
    assert spans["etcd: first start to last ready"] == (14, 16)
    assert spans["**all: no machines to all Ready and DNS**"] == (0, 41)
    assert "flannel" not in found, "there is no such resource"
    assert {phase.cores for phase in found.values()} == {2.0}


def test_medians_and_table(run: Measured) -> None:
    once = phases(run, {"masters": ["a"], "workers": ["b"]})
    late = phases(Measured(100, run.events, run.units, 150, 151, run.cpu), {"masters": ["a"], "workers": ["b"]})
    rows = medians([once, late, late])
    assert rows[-1].takes == 51
    text = table(rows, [3.0, 5.0, 4.0], [41, 51, 51])
    assert "| stage a | 10.0 | 15.0 | 5.0 | 2.0 |" in text
    assert "| a second `make up` that changes nothing | | | 4.0 | |" in text
    assert text.endswith("all: 41.0 to 51.0 s, second: 3.0 to 5.0 s.")


def test_busy_cores_between_two_moments() -> None:
    samples = [Sample(0, 0), Sample(1, 2), Sample(2, 2), Sample(3, 3)]
    assert busy(samples, 0, 1) == 2
    assert busy(samples, 1, 2) == 0
    assert busy(samples, 0.5, 2.5) == 1


def test_steps_of_a_roll_in_their_order() -> None:
    stages = [event for name, done in (("a", 104), ("b", 106)) for event in resource(f"{name}-stage", 102, done)]
    rolled = [*stages, *resource("b-activate", 120, 125), *resource("a-activate", 107, 119)]
    failed = [Event(126, BEGUN, "command:remote:Command", "c-activate")]
    failed += [Event(126, kind, "command:remote:Command", "d-activate", "same") for kind in (BEGUN, DONE)]
    found = [(step.name, step.begins, step.takes) for step in steps(100, [*rolled, *failed], 130)]
    assert found == [("staged everywhere", 2, 4), ("a", 7, 12), ("b", 20, 5), ("all", 0, 30)]
    assert steps(100, [], 130) == [Step("all", 0, 30)]


def report(p50: float, failed: int = 0) -> Report:
    def tally(factor: float) -> Tally:
        return Tally(100, failed, 0, 0.1, factor * p50, 10 * factor * p50, {})

    return Report("http://server", 10.0, {"fresh": tally(2), "kept": tally(1)})


def test_the_table_of_policies_has_medians_of_all_turns() -> None:
    turns = [
        Turn(enforced, {OPEN: report(p50), ISOLATED: report(p50 + enforced, failed=1)}, 0.5, 0.02 * enforced)
        for enforced in (True, False)
        for p50 in (1.0, 3.0, 2.0)
    ]
    assert policies_table(turns).splitlines()[2:] == [
        "| not enforced, namespace open | 4.00 | 40.00 | 2.00 | 20.00 | 0 | 0.50 | 0.000 |",
        "| not enforced, namespace isolated | 4.00 | 40.00 | 2.00 | 20.00 | 6 | 0.50 | 0.000 |",
        "| enforced, namespace open | 4.00 | 40.00 | 2.00 | 20.00 | 0 | 0.50 | 0.020 |",
        "| enforced, namespace isolated | 6.00 | 60.00 | 3.00 | 30.00 | 6 | 0.50 | 0.020 |",
    ]


def test_the_page_of_the_bench_is_accepted() -> None:
    values = page_with_policies(laptop_page("bench"))
    page = load({key.removeprefix("hardway:"): value for key, value in values.items()})
    assert [(one.name, one.network) for one in page.access.namespaces] == [("open", "open"), ("isolated", "isolated")]


def test_latencies_of_writes() -> None:
    found = Latencies.of([number / 1000 for number in range(200, 0, -1)], failed=1)
    assert found == Latencies(200, 100.5, 199, 200, 1)
    assert Latencies.of([0.25]) == Latencies(1, 250, 250, 250)


def test_costs_of_snapshots_are_a_table() -> None:
    quiet, busy = Latencies(600, 8.4, 20.6, 31), Latencies(100, 9.6, 60.4, 99.5, 2)
    text = backup.table([backup.Cost(10_000, "all of it is new", 12.3, 8.04, 14.2, 9.96, quiet, busy)])
    assert "| 10,000 | all of it is new | 8.0 | 14 | 10.0 | 8, 21 | 10, 60, 100 | 2 |" in text
    assert text.endswith("Keys of etcd were written: 10,000 in 12 s.")


def test_processes_of_a_command() -> None:
    stat = "{} (a (b) c) S {} 1 1 0 -1 4194560 100 0 0 0 {} 50 0 0 20 0 1 0 100 1000000 25 0"
    command, child, grandchild, stranger = (
        parse(stat.format(*values)) for values in ((10, 1, 100), (11, 10, 200), (12, 11, 0), (13, 1, 900))
    )
    assert (child.pid, child.parent, child.cpu) == (11, 10, 2.5)
    assert descendants(10, [stranger, grandchild, child, command]) == [grandchild, child, command]
    assert kind_of("/v/bin/python /c/bin/pulumi-language-python-exec --monitor 1") == "program"
    assert kind_of("/v/bin/python -u -m pulumi.policy 127.0.0.1:1 /p/policies") == "policies"
    assert kind_of("/c/bin/pulumi-language-python 127.0.0.1:1") == "language host"
    assert kind_of("/h/plugins/resource-tls-v5.3.1/pulumi-resource-tls 127.0.0.1:1") == "plugins"
    assert (kind_of("pulumi preview"), kind_of("make"), kind_of("")) == ("engine", "other", "")


def test_memory_that_processes_share_counts_once() -> None:
    rollup = "55d0-7ffd ---p 00000000 00:00 0    [rollup]\nRss:    3000 kB\nPss:    1200 kB\nPss_Dirty:    700 kB\n"
    assert pss(rollup) == 1200 * 1024
    with pytest.raises(ValueError, match="unpack"):
        pss("")


def test_usage_is_of_the_command_and_its_children(tmp_path: Path) -> None:
    burn = "x = 0\nwhile __import__('time').process_time() < 0.6: x += 1"
    found = watch(["sh", "-c", f'{sys.executable} -c "{burn}"; true'], tmp_path, os.environ, tmp_path / "log")
    assert 0.2 < found.total < 2 and found.memory > 1 << 20
    with pytest.raises(AssertionError, match="no good"):
        watch(["sh", "-c", "echo no good; exit 3"], tmp_path, os.environ, tmp_path / "log")


def test_the_replay_registers_what_others_need_first() -> None:
    def one(urn: str, parent: str = "stack", provider: str = "", *dependencies: str) -> dict[str, object]:
        others = {"deletedWith": "", "dependencies": dependencies, "replaceWith": []}
        return {"urn": urn, "parent": parent, "provider": provider, **others}

    found = preview.ordered([one("a", "b", "", "c"), one("b"), one("c", "b", "d"), one("d")])
    assert [resource["urn"] for resource in found] == ["b", "d", "c", "a"]


def test_the_table_of_previews_has_ratios() -> None:
    ours, floor = Usage(30.0, {"program": 20.0, "engine": 10.0}, {}), Usage(20.0, {"engine": 12.0}, {})
    text = preview.table([preview.Cost(500, 7708, Usage(45.0, {"policies": 5.0}, {"engine": 2 * 10**9}), ours, floor)])
    assert "| 500 | 7,708 | 45.0 | 30.0 | 20.0 | 1.5 | 30.0 | 12.0 | 2.5 | 2000 |" in text
    assert "500 workers with policies, CPU in seconds: policies 5.0; memory in MB: engine 2000." in text


def test_resources_of_a_preview_are_counted_by_type() -> None:
    def event(op: str, kind: str) -> str:
        return json.dumps({"resourcePreEvent": {"metadata": {"op": op, "type": kind}}})

    log = "\n".join([event("create", "a"), event("create", "a"), event("same", "a"), '{"summaryEvent": {}}'])
    assert preview.created(log) == {"a": 2}


@pytest.mark.parametrize("workers", preview.WORKERS)
def test_the_page_of_a_measured_preview_is_accepted(workers: int) -> None:
    assert len(load(preview.page(workers)).nodes) == workers + 3
