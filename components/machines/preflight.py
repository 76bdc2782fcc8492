"""Inspects all hosts before any host is changed, and reports all findings at once.

This is also a program on the operator's machine, which needs OpenSSH's client. The program reads an `Inspection` as
JSON from standard input and exits 1 with all findings. Standard library only: any Python can run it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

# The program is run by its path: that command is part of the state of running clusters.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from components.machines.clocks import UNKNOWN, Offset, middle_of, wrong_clock
from components.machines.inspected import digest_of, record, unchanged, without_unreached
from components.machines.ssh import Client, Route, refusal

SCRIPT = Path(__file__).with_suffix(".sh")
_SECONDS = 60


@dataclass(frozen=True)
class Target:
    """A host by its node's name, and the shell variables for preflight.sh."""

    name: str
    route: Route
    needs: Mapping[str, str]


@dataclass(frozen=True)
class Inspection:
    """All hosts, and the routes to them. `private_key` is None if the SSH agent has it."""

    targets: tuple[Target, ...]
    bastion: Route | None
    private_key: str | None = field(repr=False)

    def digests(self) -> dict[str, str]:
        """What the inspection of each host depends on, by the name of the host."""
        return {t.name: digest_of(f"{t.route.host}:{t.route.port}", t.route.host_key, t.needs) for t in self.targets}

    def to_json(self) -> str:
        """The input of `from_json`."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Inspection:
        """Parse the output of `to_json`."""
        data = json.loads(text)
        targets = tuple(Target(t["name"], Route(**t["route"]), t["needs"]) for t in data["targets"])
        return cls(targets, Route(**data["bastion"]) if data["bastion"] else None, data["private_key"])


@dataclass(frozen=True)
class Report:
    """The result for a host: facts by name, and findings. If the bastion failed, `name` names the bastion."""

    name: str
    facts: Mapping[str, str]
    findings: tuple[str, ...]
    clock: Offset = UNKNOWN
    silent: bool = False
    """Whether nothing answered."""


def inspect_host(client: Client, target: Target, bastion: Route | None) -> Report:
    """The report of a host. If the host cannot be inspected, the reason is a finding."""
    route = target.route
    remote = "sh -s" if route.user == "root" else "sudo -n sh -s"
    text = "".join(f"{key}={shlex.quote(value)}\n" for key, value in sorted(target.needs.items()))
    command = client.command(target.name, route, remote)
    started = time.time()
    try:
        done = subprocess.run(
            command,
            input=text + SCRIPT.read_text(),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        return Report("this machine", {}, ("OpenSSH's client `ssh` is not installed",))
    except subprocess.TimeoutExpired:
        return Report(target.name, {}, (f"no answer within {_SECONDS} s",), silent=True)
    if "\nend\n" in done.stdout:
        return read_report(target.name, done.stdout, started, time.time())
    refused = refusal(target.name, route, bastion, done.returncode, done.stderr)
    return Report(refused.name, {}, (refused.problem,), silent=refused.silent)


def read_report(name: str, text: str, started: float, ended: float) -> Report:
    """Parse the output of preflight.sh, which ran between two times of this machine, in seconds."""
    lines = [line.partition(" ") for line in text.splitlines()]
    pairs = (rest.partition(" ") for kind, _, rest in lines if kind == "fact")
    facts = {key: value for key, _, value in pairs}
    findings = tuple(rest for kind, _, rest in lines if kind == "finding")
    clock = Offset.between(int(facts["clock-first"]), int(facts["clock"]), started, ended)
    return Report(name, facts, findings, clock)


def findings_of(reports: Sequence[Report]) -> list[str]:
    """All findings, one per line with the host's name, in the order of the hosts."""
    found: dict[str, None] = {}
    complete = [report for report in reports if report.facts]
    middle = middle_of([report.clock for report in complete])
    conflict = _address_conflict(reports) if len(complete) == len(reports) else None
    first: dict[tuple[str, str], str] = {}
    ours = statistics.mode(
        [report.facts.get("cluster-id", "") for report in reports if "cluster-id" in report.facts] or [""]
    )
    for report in reports:
        lines = list(report.findings)
        for fact in ("hostname", "machine-id"):
            value = report.facts.get(fact, "")
            other = first.setdefault((fact, value), report.name)
            if value and other != report.name:
                lines.append(f"the {fact} {value} is also the {fact} of {other}")
            elif report.facts and not value:
                lines.append(f"the host has no {fact}")
        if report.facts:
            lines += wrong_clock(report.clock, middle)
            lines += _other_node(report, ours)
        if report is conflict:
            address = report.facts["virtual-address"].partition(" ")[2]
            lines.append(f"another machine has the virtual address {address}; allowed: a free address")
        found |= dict.fromkeys(f"{report.name}: {line}" for line in lines)
    return list(found)


def _other_node(report: Report, ours: str) -> Iterator[str]:
    """Finds a host that is another node, and a host of another cluster than `ours`, the cluster of most hosts."""
    node, _, cluster = report.facts.get("node", "").partition(" ")
    if not node:
        return
    if report.facts["cluster-id"] != ours:
        yield f"the host is the node {node} of another cluster, {cluster}; remove the node there first"
    elif node != report.name:
        yield f"the host is the node {node}; take {node} off the page and run `up`, then add {report.name}"


def _address_conflict(reports: Sequence[Report]) -> Report | None:
    """The first host that got an answer from the virtual address although none of the hosts has that address."""
    seen = [(report.facts.get("virtual-address", "").partition(" ")[0], report) for report in reports]
    if any(where == "held" for where, _ in seen):
        return None
    return next((report for where, report in seen if where == "taken"), None)


def set_aside(
    reports: Sequence[Report], same: Collection[str], addresses: Mapping[str, str]
) -> tuple[list[Report], list[str]]:
    """The reports without findings that only have to be noted, and these findings.

    `same` names the hosts for which nothing changes, `addresses` has the address of each host. A host counts as one
    that runs its release if it says so, or if it is silent while other hosts answer.
    """
    some_answer = any(report.facts for report in reports)
    dead = [r.name for r in reports if r.silent and r.name in same and some_answer]
    lost = [addresses[name] for name in dead]
    left, notes = [], []
    for report in reports:
        findings = without_unreached(report.findings, lost)
        if report.name in dead or (report.name in same and report.facts.get("node", "").startswith(f"{report.name} ")):
            notes += [f"{report.name}: {line}" for line in findings]
            findings = ()
        left.append(replace(report, findings=findings))
    return left, notes


def inspect(inspection: Inspection, earlier: str = "") -> tuple[list[str], list[str]]:
    """All findings about all hosts, and what is only noted. The hosts are inspected in parallel.

    `earlier` is the output of an earlier inspection.
    """
    with TemporaryDirectory(prefix="hardway-") as folder, contextlib.ExitStack() as stack:
        client = Client(Path(folder), inspection.bastion, inspection.private_key)
        workers = stack.enter_context(ThreadPoolExecutor(32))
        inspect_one = functools.partial(inspect_host, client, bastion=inspection.bastion)
        reports = list(workers.map(inspect_one, inspection.targets))
    addresses = {target.name: target.needs["ADDRESS"] for target in inspection.targets}
    left, notes = set_aside(reports, unchanged(inspection.digests(), earlier), addresses)
    return findings_of(left), notes


def main() -> int:
    """Read the inspection and print the findings. Return the exit code.

    Standard output is shown to the operator. Standard error ends in the error, or else is kept for the next inspection.
    """
    inspection = Inspection.from_json(sys.stdin.read())
    found, notes = inspect(inspection, os.environ.get("PULUMI_COMMAND_STDERR", ""))
    if found:
        print("these hosts cannot become a cluster, and nothing was changed on any of them:", file=sys.stderr)
        print("".join(f"  {line}\n" for line in found), file=sys.stderr, end="")
        return 1
    names = ", ".join(target.name for target in inspection.targets)
    print(f"fit for a cluster: {names}")
    # Last: the engine shows the last line of a command beside its result.
    for line in notes:
        print(f"noted, because nothing changes for this host: {line}")
    print(record(inspection.digests()), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
