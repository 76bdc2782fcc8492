"""Gives back space of etcd's files that no data uses: `make defrag`.

Source of the procedure: the chapter "Maintenance" of etcd's documentation. A member answers nobody while it is
defragmented, so members come one after the other, and the leader gives up its leadership first.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from components.config.etcd import MEBIBYTE
from components.membership.remote_shell import ConnectionLostError, RemoteShell, RequestError
from tools.common.errors import ToolError
from tools.common.progress import say
from tools.operate.etcd_status import NO_SPACE, MemberStatus, parse
from tools.operate.stack import Stack

OUTPUT = "etcdUpkeep"
_READY_SECONDS = 60.0
_MORE_ROOM = (
    "delete objects (etcd takes deletions while the alarm stands) and run `make defrag` again, or raise "
    "etcd.quotaBackendBytes on the page and run `make up`: docs/operations.md"
)


def sizes(status: MemberStatus) -> str:
    """The sizes for a person."""
    quota = f", quota {status.quota / MEBIBYTE:.1f} MiB" if status.quota else ""
    return f"{status.size / MEBIBYTE:.1f} MiB, {status.in_use / MEBIBYTE:.1f} MiB in use{quota}"


def defragment(stack: Stack) -> int:
    """Compact etcd, defragment members where it is worth it, the leader last, and disarm the alarm NOSPACE.

    Raises ToolError, and changes nothing, if a member does not answer, is not healthy or is a learner, or while a
    release is staged or activated on a member, a snapshot is taken, or another such command runs. Raises ToolError if
    the alarm stands afterwards.
    """
    commands: dict[str, str] = stack.known_outputs().get(OUTPUT, {})
    if not commands:
        raise ToolError(f"stack {stack.name} has no output {OUTPUT}: run `make up STACK={stack.name}`")
    return defragment_members(commands)


def defragment_members(commands: Mapping[str, str]) -> int:
    """The same for the members with these command lines, by name."""
    with ExitStack() as connections:
        members = {
            name: Member(name, connections.enter_context(RemoteShell(shlex.split(command), "")))
            for name, command in commands.items()
        }
        try:
            alarm = _refuse(members)
            first = next(iter(members.values()))
            first.ask("keep-snapshots-away", "yes" if alarm else "no")
            revision = max(member.status().revision for member in members.values())
            first.ask("compact", str(revision))
        except RefusedError as refused:
            raise ToolError(f"{refused}. Nothing was changed") from None
        say(f"compacted: revisions before {revision} are gone")
        try:
            _one_after_the_other(members, always=alarm)
            if alarm:
                _disarm(members)
        except RefusedError as refused:
            raise ToolError(f"{refused}. Members before this one are done: run `make defrag` again") from None
    return 0


class RefusedError(RuntimeError):
    """A member did not do what was asked; the text names the member and the reason."""


@dataclass(frozen=True)
class Member:
    """A member of etcd, and the script on its machine that carries out requests."""

    name: str
    shell: RemoteShell

    def ask(self, *words: str) -> str:
        """Carry out a request, and return what it printed. Raises RefusedError."""
        try:
            return "\n".join(self.shell.request(*words))
        except RequestError as error:
            raise RefusedError(f"{self.name}: {_last_line(str(error)) or f'cannot {words[0]}'}") from None
        except ConnectionLostError as error:
            raise RefusedError(f"{self.name}: {_last_line(str(error)) or 'no answer'}") from None

    def status(self) -> MemberStatus:
        """What the member says about itself."""
        return parse(self.ask("status"))

    def is_ready(self) -> bool:
        """Whether the member answers a linearizable read."""
        try:
            self.ask("ready")
        except RefusedError:
            return False
        return True


def _refuse(members: Mapping[str, Member]) -> bool:
    """Raises RefusedError unless all members are well. Returns whether the alarm NOSPACE stands."""
    alarm = False
    for name, member in members.items():
        status = member.status()
        if not member.is_ready():
            raise RefusedError(f"{name}: the member is not healthy")
        if status.learner:
            raise RefusedError(f"{name}: the member does not vote yet")
        others = [error for error in status.errors if NO_SPACE not in error]
        if others:
            raise RefusedError(f"{name}: {'; '.join(others)}")
        alarm = alarm or bool(status.errors)
    return alarm


def _one_after_the_other(members: Mapping[str, Member], *, always: bool) -> None:
    """Defragment the members where it is worth it, or `always`; each is well again before the next."""
    done: list[Member] = []
    for member in sorted(members.values(), key=lambda member: member.status().leads):
        before = member.status()
        if not (always or before.is_fragmented):
            say(f"{member.name}: left alone ({sizes(before)}): less than 100 MiB or less than half is free")
            continue
        if before.leads and done:
            _hand_over(member, done[0])
        member.ask("defrag")
        _wait(members)
        say(f"{member.name}: was {sizes(before)}; is {sizes(member.status())}")
        done.append(member)


def _hand_over(leader: Member, successor: Member) -> None:
    try:
        leader.ask("move-leader", f"{successor.status().id:x}")
    except RefusedError as refused:
        # The others elect a leader when this one does not answer.
        say(f"{refused}")


def _wait(members: Mapping[str, Member]) -> None:
    """Wait until every member is well."""
    until = time.monotonic() + _READY_SECONDS
    for member in members.values():
        while not member.is_ready():
            if time.monotonic() > until:
                raise RefusedError(f"{member.name}: not healthy {_READY_SECONDS:.0f} s after a defragmentation")
            time.sleep(0.5)


def _disarm(members: Mapping[str, Member]) -> None:
    try:
        say(next(iter(members.values())).ask("disarm"))
    except RefusedError as refused:
        raise ToolError(f"{refused}. To give etcd more room, {_MORE_ROOM}") from None


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("Error: ") if lines else ""
