"""The machines of a local stack, reached through the container engine, never over the network.

If a local network is not up, then another machine may answer at its addresses. So nothing connects to them from the
host.
"""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tests.e2e.support.process import Answer, ask
from tests.e2e.support.stack import Stack
from tools.common.paths import Clone, this_clone

_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


class Host(Protocol):
    """A machine of any kind."""

    @property
    def name(self) -> str:
        """The name of its node."""
        ...

    def run(self, script: str, *, stdin: str = "", timeout: float = 60) -> Answer:
        """Run a POSIX script on the machine as root."""
        ...


@dataclass(frozen=True)
class Machine:
    """A machine: a container in a local network."""

    name: str
    address: str
    container: str
    engine: tuple[str, ...]

    def run(self, script: str, *, stdin: str = "", timeout: float = 60) -> Answer:
        """Run a POSIX script on the machine as root.

        Not with the engine's `exec`, which sometimes loses the output of a short program on a busy host.
        """
        namespaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
        command = self._entering(namespaces, ["sh", "-c", script])
        return ask(command, env=_ENVIRONMENT, stdin=stdin, timeout=timeout)

    def read(self, path: str) -> str:
        """The text of a file on the machine."""
        return self.run(f"cat '{path}'").ok()

    def kill(self) -> None:
        """Kill the container, as a power cut does."""
        ask([*self.engine, "kill", "--signal", "KILL", self.container]).ok()
        ask([*self.engine, "wait", self.container]).ok()

    def start(self) -> None:
        """Start the container again."""
        ask([*self.engine, "start", self.container]).ok()

    def restart(self) -> None:
        """Shut the machine down in order, within 30 s, and start it again."""
        ask([*self.engine, "restart", "--time", "30", self.container], timeout=120).ok()

    def in_mounts(self, command: Sequence[str]) -> list[str]:
        """The command line that runs a program of the machine, where the files are those of the machine."""
        return self._entering(("--mount",), command)

    def in_network(self, command: Sequence[str], of_pod: str = "") -> list[str]:
        """The command line that runs a program of this host in the machine's network, where 127.0.0.1 is the machine.

        `of_pod` is the path of another network namespace on the machine, see pod_network.py. Raises AssertionError if
        the machine is not running or if this process is not root.
        """
        if of_pod:
            return ["nsenter", f"--net=/proc/{self._process()}/root{of_pod}", "--", *command]
        return self._entering(("--net",), command)

    def tool(self, name: str, *arguments: str) -> Answer:
        """Run a module of this package as a program of this host, in the machine's network."""
        command = [sys.executable, "-m", f"{__package__}.{name}", *arguments]
        return ask(self.in_network(command), cwd=this_clone().root)

    def _entering(self, namespaces: Sequence[str], command: Sequence[str]) -> list[str]:
        return ["nsenter", "--target", self._process(), *namespaces, "--", *command]

    def _process(self) -> str:
        """The first process of the machine, as this host numbers it."""
        assert os.geteuid() == 0, "a suite enters machines: run it as root"
        pid = ask([*self.engine, "inspect", "--format", "{{.State.Pid}}", self.container]).ok().strip()
        assert pid != "0", f"{self.name} is not running"
        return pid


def engine_of(clone: Clone) -> tuple[str, ...]:
    """The container engine's command, as `make tools` found it."""
    return tuple(json.loads((clone.cache / "local.json").read_text())["engine"])


def machines_of(stack: Stack) -> dict[str, Machine]:
    """The machines of a running stack by node name, without the gateway."""
    lab, engine = stack.lab, engine_of(stack.clone)
    return {name: Machine(name, lab.address(name), f"{lab.name}-{name}", engine) for name in lab.hosts}
