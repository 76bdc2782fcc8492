"""`make status`: asks the API, every machine, and Pulumi what the next `up` would do; prints one page or JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from tools.certificates import clock
from tools.certificates.rows import calendar
from tools.common.errors import ToolError
from tools.common.progress import say
from tools.operate import kubectl
from tools.operate.stack import Stack
from tools.status import ask, cluster, plan
from tools.status.cluster import Cluster
from tools.status.finding import Finding
from tools.status.findings import Status, findings, versions_of
from tools.status.lines import lines
from tools.status.machine import Machine

_REQUEST_SECONDS = 10
_WORD = re.compile("_([a-z])")


def show(stack: Stack, *, as_json: bool, with_plan: bool) -> int:
    """Print the state of a stack. Returns 1 if somebody has to act, else 0.

    Raises ToolError if the stack does not exist, or if an earlier version of the program made it last.
    """
    known = stack.known_outputs()
    if "status" not in known or not known.get("nodes"):
        raise ToolError(f"stack {stack.name} does not say how to ask its machines: run `make up STACK={stack.name}`")
    say(f"asking the API and {len(known['status'])} machines of stack {stack.name} ...")
    status = _ask(stack, known, with_plan)
    found = findings(status)
    if as_json:
        print(json.dumps(_document(status, found), indent=2))
    else:
        for line in lines(status, found):
            print(line)
    return int(any(finding.acts for finding in found))


def _ask(stack: Stack, known: Mapping[str, Any], with_plan: bool) -> Status:
    with ThreadPoolExecutor(2) as pool:
        planned = pool.submit(plan.ask, stack) if with_plan else None
        api = pool.submit(_cluster, stack)
        begun = datetime.now(UTC)
        machines = ask.machines(known["status"])
        ended = datetime.now(UTC)
        return Status(
            stack=stack.name,
            nodes=known["nodes"],
            asked=(begun, ended),
            cluster=api.result(),
            machines=machines,
            certificates=calendar(known.get("certificates") or (), (), (), known["nodes"].keys(), clock.now()),
            plan=planned.result() if planned else None,
            now=ended,
        )


def _cluster(stack: Stack) -> Cluster:
    command = kubectl.as_admin(stack, _REQUEST_SECONDS)
    if command is None:
        return Cluster(silence=kubectl.MISSING)
    if not stack.clone.kubeconfig(stack.name).exists():
        stack.write_kubeconfig()
    return cluster.ask(command, _REQUEST_SECONDS)


def _document(status: Status, found: tuple[Finding, ...]) -> Any:
    """The same as the page, for programs. Names are written as in Kubernetes: `isReady`. Sizes are in bytes."""
    return _for_programs(
        {
            "stack": status.stack,
            "act": [finding.text for finding in found if finding.acts],
            "notes": [finding.text for finding in found if not finding.acts],
            "api": asdict(status.cluster),
            "machines": [_machine(machine) for machine in status.machines],
            "certificates": [
                {"name": row.name, "state": row.state, "ends": row.ends, "renewed_from": row.renewed_from}
                for row in status.certificates
            ],
            "next_up": asdict(status.plan) if status.plan else None,
        }
    ) | {"versions": versions_of(status.machines)}


def _machine(machine: Machine) -> dict[str, Any]:
    member = asdict(machine.member) | {"alarms": machine.member.alarms} if machine.member else None
    return asdict(machine) | {"member": member}


def _for_programs(value: Any) -> Any:
    if isinstance(value, dict):
        return {_WORD.sub(lambda found: found[1].upper(), name): _for_programs(of) for name, of in value.items()}
    if isinstance(value, list | tuple):
        return [_for_programs(of) for of in value]
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return value.total_seconds() if isinstance(value, timedelta) else value
