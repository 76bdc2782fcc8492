"""The age of the newest snapshot of etcd: for `make status`, and for `make policy-check SNAPSHOTS=1`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from tools.common.progress import say
from tools.operate.stack import Stack
from tools.status import ask
from tools.status.finding import Finding
from tools.status.machine import Machine, Snapshot


def line(machines: Sequence[Machine], now: datetime) -> str:
    """The age in words."""
    known = _known(machines)
    taken = [snapshot.taken for snapshot in known if snapshot.taken]
    if not taken:
        return "none" if known else "not on the page, or unknown"
    return f"the newest is {(now - max(taken)) / timedelta(minutes=1):.0f} minutes old"


def findings(machines: Sequence[Machine], now: datetime, members_answer: bool = True) -> Iterator[Finding]:
    """What is wrong with the age. `members_answer`: otherwise nobody knows whether a machine takes snapshots."""
    known = _known(machines)
    if not known:
        if members_answer:
            yield Finding(False, "nothing takes snapshots of etcd: docs/backup.md")
        return
    newest = max(known, key=lambda snapshot: snapshot.taken.timestamp() if snapshot.taken else 0)
    if newest.taken is None:
        yield Finding(True, "there is no snapshot of etcd yet: `make backup` takes one and says what is wrong")
    elif now - newest.taken > 2 * newest.every:
        hours = (now - newest.taken) / timedelta(hours=1)
        wanted = newest.every / timedelta(minutes=1)
        yield Finding(
            True,
            f"the newest snapshot of etcd is {hours:.1f} h old, and the page wants one every {wanted:.0f} minutes: "
            "`make backup` takes one and says what is wrong",
        )


def check(stack: Stack) -> int:
    """Ask the members of a stack, and print the age. Returns 1 if somebody has to act, or if no member answers."""
    outputs = stack.known_outputs()
    if "backup" not in outputs:
        say(f"stack {stack.name} takes no snapshots of etcd: docs/backup.md")
        return 0
    machines = ask.machines({node: outputs["status"][node] for node in outputs["backup"]["now"]})
    now = datetime.now(UTC)
    say(f"snapshots of etcd of stack {stack.name}: {line(machines, now)}")
    found = [finding.text for finding in findings(machines, now) if finding.acts]
    if not _known(machines):
        found = [f"{machine.node}: {machine.silence or 'does not know of snapshots'}" for machine in machines]
    for text in found:
        say(text)
    return 1 if found else 0


def _known(machines: Sequence[Machine]) -> list[Snapshot]:
    return [machine.snapshot for machine in machines if machine.snapshot]
