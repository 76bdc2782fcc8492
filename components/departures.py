"""Has the cluster take its leave of nodes that are not on the page any more, and dials a machine only if there are any.

It is a program that the operator's machine runs with OpenSSH's client: it reads an `Order` as JSON from standard input,
and compares the nodes in it with those that it printed when it last succeeded. Standard library only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from components.machines.preflight import Client, Inspection, Route, Target, refusal

LAST = "PULUMI_COMMAND_STDOUT"
"""Where the provider puts what the run before printed; not set in the first one."""


@dataclass(frozen=True)
class Member:
    """A node: its address, what its machine is told by from another one, and its roles."""

    address: str
    identity: str
    roles: tuple[str, ...]

    def goes_on_as(self, other: Member | None) -> bool:
        """Whether `other` is the same machine with at least the same roles: then nothing has left."""
        return (
            other is not None
            and (self.address, self.identity) == (other.address, other.identity)
            and set(self.roles) <= set(other.roles)
        )


@dataclass(frozen=True)
class Order:
    """The nodes that stay, the machine that lets the others go, and the commands that it runs for that.

    `first` is for a cluster that is new, `later` for one where somebody has left. `private_key` is None where the SSH
    agent has it.
    """

    nodes: Mapping[str, Member]
    runner: str
    route: Route
    bastion: Route | None
    first: str
    later: str
    private_key: str | None = field(repr=False)

    @classmethod
    def from_json(cls, text: str) -> Order:
        """Read what `components/membership.py` wrote."""
        data = json.loads(text)
        return cls(
            nodes=members(data["nodes"]),
            runner=data["runner"],
            route=_route(data["route"]),
            bastion=_route(data["bastion"]) if data["bastion"] else None,
            first=data["first"],
            later=data["later"],
            private_key=data["privateKey"],
        )

    def command(self, last: Mapping[str, Member] | None) -> str:
        """What the runner has to do, given the nodes of the last run that succeeded; empty: it is not dialled."""
        if last is None:
            return self.first
        stay = all(member.goes_on_as(self.nodes.get(name)) for name, member in last.items())
        return "" if stay else self.later


def members(data: Mapping[str, Mapping[str, object]]) -> dict[str, Member]:
    """The nodes as `main` prints them."""
    return {
        name: Member(str(node["address"]), str(node["identity"]), tuple(node["roles"]))  # type: ignore[arg-type]
        for name, node in data.items()
    }


def _route(data: Mapping[str, str | float]) -> Route:
    # Numbers of Pulumi are not whole ones.
    return Route(str(data["host"]), int(data["port"]), str(data["user"]), str(data["host_key"]).strip())


def last_nodes(text: str) -> dict[str, Member] | None:
    """The nodes that the last run printed; None when there was none, or one whose words are not understood."""
    try:
        return members(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def run(order: Order, command: str) -> str:
    """Run it on the runner; what went wrong in the words of who said it, or nothing."""
    target = Target(order.runner, order.route, {})
    with TemporaryDirectory(prefix="hardway-") as folder:
        client = Client(Path(folder), Inspection((target,), order.bastion, order.private_key))
        try:
            done = subprocess.run(
                client.command(order.runner, order.route, command),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
        except FileNotFoundError:
            return "OpenSSH's client `ssh` is not there"
    if done.returncode == 0:
        return ""
    if done.returncode == 255:  # ssh's own
        report = refusal(target, order.bastion, done.returncode, done.stderr)
        return f"{report.name}: {report.findings[0]}. Nobody has left the cluster, and no machine goes before that"
    return done.stderr.strip() or done.stdout.strip()


def main() -> int:
    """Read the order, do what is to be done, print the nodes; returns the exit code."""
    order = Order.from_json(sys.stdin.read())
    command = order.command(last_nodes(os.environ.get(LAST, "")))
    problem = run(order, command) if command else ""
    if problem:
        print(problem, file=sys.stderr)
        return 1
    print(json.dumps({name: asdict(node) for name, node in sorted(order.nodes.items())}, separators=(",", ":")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
