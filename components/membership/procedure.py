"""The steps that remove nodes from the cluster: `decisions.py` decides, cluster.sh executes. Standard library only."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from components.membership.decisions import (
    EtcdMember,
    NodeState,
    RefusedError,
    check_members,
    leaving_members,
    leaving_nodes,
    not_ready,
    sick_members,
    successor,
)
from components.membership.remote_shell import RequestError

MEMBER_SECONDS = 60
"""Within this time a member has to be removed and the other members have to be healthy."""
READY_SECONDS = 120
"""For nodes whose kubelet reports that it is not ready, or whose new machine has not reported a status yet."""
SILENT_SECONDS = 15
"""For other nodes whose kubelet does not answer: the kubelet may have just been started."""


@dataclass(frozen=True)
class Wanted:
    """The members and nodes that stay.

    `members` maps etcd members to their addresses, `kubelets` names the nodes with a kubelet, `machine_ids` has the
    machine id of each node with a new machine, `drain_seconds` is the time in which pods have to leave a node.
    """

    members: Mapping[str, str]
    kubelets: Sequence[str]
    machine_ids: Mapping[str, str]
    drain_seconds: int


class Procedure:
    """The steps, each of which can be repeated. `request` runs a verb of cluster.sh; RequestError if the verb fails."""

    def __init__(
        self,
        request: Callable[..., list[str]],
        wanted: Wanted,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._request, self._wanted, self._clock, self._sleep = request, wanted, clock, sleep

    def remove_all(self) -> None:
        """Drain the nodes to remove, then remove their etcd members, then wait until the other nodes are Ready.

        Raises RefusedError. The members are checked first, so that no pod moves if the removal is refused.
        """
        check_members(self._members(), self._wanted.members)
        self._drain_nodes()
        self.remove_members()
        self._await_ready()

    def remove_members(self) -> None:
        """Remove members one by one, but none while a member that stays is sick. Raises RefusedError."""
        members = self._members()
        check_members(members, self._wanted.members)
        for member in leaving_members(members, self._wanted.members):
            self._remove_member(member, successor(members, self._wanted.members))

    def _members(self) -> list[EtcdMember]:
        try:
            return [EtcdMember.read(line) for line in self._request("list_members")]
        except RequestError as failed:
            raise RefusedError(f"no etcd member answers: {failed}") from None

    def _remove_member(self, member: EtcdMember, next_leader: str) -> None:
        limit, name = self._clock() + MEMBER_SECONDS, member.name or f"at {member.address}"
        while why := self._try_to_remove(member, next_leader):
            if self._clock() >= limit:
                raise RefusedError(f"etcd member {name} cannot be removed: {why}")
            self._sleep(1)
            if self._is_gone(member):  # only the answer was lost
                break
        while not self._all_healthy():
            if self._clock() >= limit:
                raise RefusedError(f"etcd is not healthy after the removal of member {name}")
            self._sleep(0.5)

    def _is_gone(self, member: EtcdMember) -> bool:
        try:
            return member.id not in {other.id for other in self._members()}
        except RefusedError:
            return False

    def _all_healthy(self) -> bool:
        try:
            return not sick_members(self._members(), self._wanted.members)
        except RefusedError:
            return False

    def _try_to_remove(self, member: EtcdMember, next_leader: str) -> str:
        try:
            self._request("remove_member", member.id, member.address, next_leader)
        except RequestError as failed:
            return str(failed)
        return ""

    def _nodes(self) -> list[NodeState]:
        return [NodeState.read(line) for line in self._request("list_nodes")]

    def _drain_nodes(self) -> None:
        try:
            leaving = leaving_nodes(self._nodes(), self._wanted.kubelets)
        except RequestError as failed:
            raise RefusedError(f"the API does not list its nodes: {failed}") from None
        # Cordon all nodes before draining the first: its pods must not move to a node that is removed as well.
        for node in leaving:
            self._execute(f"node {node.name} cannot be cordoned", "cordon_node", node.name)
        for node in leaving:
            if not node.silent:
                undo = f"Nothing was removed. To let the node take pods again: kubectl uncordon {node.name}"
                failure = f"node {node.name} cannot be removed yet. {undo}"
                self._execute(failure, "drain_node", node.name, str(self._wanted.drain_seconds))

    def _execute(self, failure: str, *words: str) -> None:
        try:
            self._request(*words)
        except RequestError as failed:
            raise RefusedError(f"{failed}\n{failure}") from None

    def _await_ready(self) -> None:
        limit, silent_until = self._clock() + READY_SECONDS, self._clock() + SILENT_SECONDS
        while waiting := self._not_ready(self._clock() >= silent_until):
            if self._clock() >= limit:
                raise RefusedError(f"not Ready after {READY_SECONDS} s: {' '.join(waiting)}")
            self._sleep(1)

    def _not_ready(self, forgive_silent: bool) -> list[str]:
        wanted = self._wanted
        try:
            nodes = self._nodes()
        except RequestError:
            return ["(the API does not answer)"]
        return not_ready(nodes, wanted.kubelets, wanted.machine_ids, forgive_silent=forgive_silent)
