"""Which members and nodes are removed, in which order, and what forbids it. Pure functions, standard library only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


class RefusedError(RuntimeError):
    """A removal is refused, or a step of it failed; the text says what and why."""


@dataclass(frozen=True)
class EtcdMember:
    """An etcd member as the other members know it. A member that was added and has not started yet has no name."""

    id: str
    name: str
    address: str
    learner: bool
    healthy: bool

    @classmethod
    def read(cls, line: str) -> EtcdMember:
        """Parse a line that `list_members` of cluster.sh printed."""
        id_, status, name, address, learner, health = line.split()
        return cls(id_, name if status == "started" else "", address, learner == "true", health == "healthy")


@dataclass(frozen=True)
class NodeState:
    """A Node of the API: the status of its condition Ready, and the id of the machine that reported it."""

    name: str
    ready: str
    machine_id: str

    @classmethod
    def read(cls, line: str) -> NodeState:
        """Parse a line that `list_nodes` of cluster.sh printed."""
        return cls(*line.split())

    @property
    def silent(self) -> bool:
        """Whether the kubelet of the node does not answer."""
        return self.ready == "Unknown"


def leaving_members(members: Iterable[EtcdMember], wanted: Mapping[str, str]) -> list[EtcdMember]:
    """The members to remove, in this order: dead members first, since they do not count for a majority.

    `wanted` maps the names of members that stay to their addresses. A member that has not started stays if its address
    is wanted: its machine is about to join.
    """
    leaving = [
        member
        for member in members
        if wanted.get(member.name) != member.address and (member.name or member.address not in wanted.values())
    ]
    return sorted(leaving, key=lambda member: member.healthy)


def sick_members(members: Iterable[EtcdMember], wanted: Mapping[str, str]) -> list[str]:
    """The names of members that stay but do not vote or are not healthy."""
    voters = {(m.name, m.address) for m in members if m.healthy and not m.learner}
    return [name for name, address in wanted.items() if (name, address) not in voters]


def check_members(members: Sequence[EtcdMember], wanted: Mapping[str, str]) -> None:
    """Raise RefusedError if a member is to be removed while another is sick, even if a majority would be left."""
    leaving, sick = leaving_members(members, wanted), sick_members(members, wanted)
    if leaving and sick:
        names = " ".join(member.name or f"the member at {member.address}" for member in leaving)
        raise RefusedError(
            f"etcd member {sick[0]} is not healthy, so no other member can be removed; to be removed: {names}. "
            f"Replace or repair {sick[0]} and run `up` again. No member was removed"
        )


def successor(members: Iterable[EtcdMember], wanted: Mapping[str, str]) -> str:
    """The id of the next leader if the leader is removed: the first member that stays."""
    first = next(iter(wanted))
    return next(member.id for member in members if member.name == first)


def leaving_nodes(nodes: Iterable[NodeState], wanted: Iterable[str]) -> list[NodeState]:
    """The nodes of the cluster that are to be removed."""
    stay = set(wanted)
    return [node for node in nodes if node.name not in stay]


def not_ready(
    nodes: Iterable[NodeState], wanted: Iterable[str], machine_ids: Mapping[str, str], *, forgive_silent: bool
) -> list[str]:
    """The names of nodes that stay and are not Ready yet.

    A node in `machine_ids` has a new machine with that id: only the status from that machine's kubelet counts, since
    the last status of the old kubelet stays in the API for 40 s after its end. Any other node may be dead: with
    `forgive_silent` a kubelet that does not answer counts as fine. A node that the API does not have counts as fine
    unless its machine is new.
    """
    known = {node.name: node for node in nodes}
    waiting = []
    for name in wanted:
        node = known.get(name)
        if name in machine_ids:
            fine = node is not None and node.ready == "True" and node.machine_id == machine_ids[name]
        else:
            fine = node is None or node.ready == "True" or (node.silent and forgive_silent)
        if not fine:
            waiting.append(name)
    return waiting
