"""Removes nodes from the cluster that the page no longer has. Connects to a machine only if there are such nodes.

The operator's machine runs this program, which needs OpenSSH's client. The program reads a `RemovalRequest` as JSON
from standard input and compares its nodes with the nodes that the last successful run printed. Standard library only.
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

from components.machines.ssh import Client, Route, refusal
from components.membership.decisions import RefusedError
from components.membership.procedure import Procedure, Wanted
from components.membership.remote_shell import ConnectionLostError, RemoteShell
from components.node import scripts
from components.node.model import ROOT

LAST = "PULUMI_COMMAND_STDOUT"
"""The variable in which the provider passes the output of the last run; not set in the first run."""


@dataclass(frozen=True)
class Member:
    """A node: its address, the identity of its data, its roles, and the identity of its machine.

    `identity` and `machine` differ if the data is on a volume that outlives a machine. `machine` is empty if an
    earlier version of this program printed the node.
    """

    address: str
    identity: str
    roles: tuple[str, ...]
    machine: str = ""

    def is_unchanged_in(self, other: Member | None) -> bool:
        """Whether `other` has the same data, the same address and at least the same roles: then nothing was removed."""
        return (
            other is not None
            and (self.address, self.identity) == (other.address, other.identity)
            and set(self.roles) <= set(other.roles)
        )

    def has_new_machine(self, before: Member | None) -> bool:
        """Whether the node ran on another machine `before`. The API may still report the status of that machine."""
        if before is None:
            return False
        both = (self.machine, before.machine) if before.machine else (self.identity, before.identity)
        return both[0] != both[1] or self.address != before.address


@dataclass(frozen=True)
class RemovalRequest:
    """The nodes that stay, the route to each, and the runner: the machine on which the commands of the removal run.

    `become` is put before a command of the runner that needs root. `private_key` is None if the SSH agent has it.
    """

    nodes: Mapping[str, Member]
    routes: Mapping[str, Route]
    bastion: Route | None
    runner: str
    become: str
    drain_seconds: int
    private_key: str | None = field(repr=False)

    @classmethod
    def from_json(cls, text: str) -> RemovalRequest:
        """Read what `components/membership/component.py` wrote."""
        data = json.loads(text)
        return cls(
            nodes=members(data["nodes"]),
            routes={name: _route(route) for name, route in data["routes"].items()},
            bastion=_route(data["bastion"]) if data["bastion"] else None,
            runner=data["runner"],
            become=data["become"],
            drain_seconds=int(data["drainSeconds"]),
            private_key=data["privateKey"],
        )

    def members(self) -> dict[str, str]:
        """The etcd members that stay, with their addresses."""
        return {name: node.address for name, node in self.nodes.items() if "etcd" in node.roles}

    def kubelets(self) -> list[str]:
        """The nodes that stay and have a kubelet."""
        return [name for name, node in self.nodes.items() if {"control-plane", "worker"} & set(node.roles)]

    def replaced(self, last: Mapping[str, Member]) -> list[str]:
        """The nodes with a kubelet whose machine is not the machine of the last run."""
        return [name for name in self.kubelets() if self.nodes[name].has_new_machine(last.get(name))]

    def has_removed_nodes(self, last: Mapping[str, Member]) -> bool:
        """Whether a node of the last run was removed, or lost a role, its data or its address."""
        return not all(member.is_unchanged_in(self.nodes.get(name)) for name, member in last.items())


def members(data: Mapping[str, Mapping[str, object]]) -> dict[str, Member]:
    """The nodes as `main` prints them."""
    return {
        name: Member(
            str(node["address"]),
            str(node["identity"]),
            tuple(node["roles"]),  # type: ignore[arg-type]
            str(node.get("machine", "")),
        )
        for name, node in data.items()
    }


def _route(data: Mapping[str, str | float]) -> Route:
    # Pulumi writes numbers as floats.
    return Route(str(data["host"]), int(data["port"]), str(data["user"]), str(data["host_key"]).strip())


def last_nodes(text: str) -> dict[str, Member] | None:
    """The nodes that the last run printed; None if there was no run, or if its output cannot be parsed."""
    try:
        return members(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def script(members: Mapping[str, str]) -> str:
    """The script that the runner's shell reads before any request; `members` are the etcd members that stay."""
    clients = " ".join(f"https://{address}:2379" for address in members.values())
    digest = 'digest=$(basename "$(readlink "$root/current")")'
    settings = f"root=${{HARDWAY_ROOT:-{ROOT}}}; {digest}; clients='{clients}'"
    return "\n".join([settings, *(scripts.text(name) for name in ("etcd_ask", "drain", "cluster"))])


def run(request: RemovalRequest, last: Mapping[str, Member] | None) -> None:
    """Remove the nodes that have to be removed; `problem` turns what this raises into a message."""
    replaced = request.replaced(last or {})
    if last is not None and not replaced and not request.has_removed_nodes(last):
        return
    with TemporaryDirectory(prefix="hardway-") as folder:
        client = Client(Path(folder), request.bastion, request.private_key)
        ids = {name: machine_id(client, name, request.routes[name]) for name in replaced}
        wanted = Wanted(request.members(), request.kubelets(), ids, request.drain_seconds)
        command = client.command(request.runner, request.routes[request.runner], f"{request.become}sh -s")
        with RemoteShell(command, script(wanted.members)) as shell:
            procedure = Procedure(shell.request, wanted)
            if last is None:
                # A new cluster can only have left-over members of an interrupted `up`.
                procedure.remove_members()
            else:
                procedure.remove_all()


def machine_id(client: Client, name: str, route: Route) -> str:
    """The machine id that the kubelet of a machine will report, machine-id(5)."""
    command = client.command(name, route, "cat /etc/machine-id")
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode != 0:
        refused = refusal(name, route, None, done.returncode, done.stderr)
        raise RefusedError(
            f"{refused.name}: {refused.problem}. The node has a new machine, and whether it is Ready is not known"
        )
    return done.stdout.strip()


def problem(request: RemovalRequest, last: Mapping[str, Member] | None) -> str:
    """Run the request. Returns the message of the program that failed, or an empty text."""
    try:
        run(request, last)
    except RefusedError as refused:
        return str(refused)
    except FileNotFoundError:
        return "OpenSSH's client `ssh` is not installed"
    except ConnectionLostError as lost:
        found = refusal(request.runner, request.routes[request.runner], request.bastion, lost.code, str(lost))
        return f"{found.name}: {found.problem}. Until that is repaired, no node and no machine is removed"
    return ""


def main() -> int:
    """Read the request, run it, print the nodes. Returns the exit code."""
    request = RemovalRequest.from_json(sys.stdin.read())
    wrong = problem(request, last_nodes(os.environ.get(LAST, "")))
    if wrong:
        print(wrong, file=sys.stderr)
        return 1
    print(json.dumps({name: asdict(node) for name, node in sorted(request.nodes.items())}, separators=(",", ":")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
