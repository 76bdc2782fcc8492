"""A stack of its own for a suite: its page, up, down, and its outputs, all by way of what a user types."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.support.process import Run, ask, run_long
from tests.e2e.support.progress import Say
from tools.envsh import environment
from tools.paths import Clone, this_clone
from tools.store import remove_tree

_FROM_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "ARGS", "STACK", "SUITE")


@dataclass(frozen=True)
class Lab:
    """Where a local stack lives on this host, as `.state/<stack>/lab.json` has it."""

    name: str
    subnet: str
    port_base: int
    hosts: Mapping[str, int]

    def address(self, node: str) -> str:
        """The IPv4 address of a machine."""
        return f"{self.subnet.rpartition('.')[0]}.{self.hosts[node]}"


@dataclass(frozen=True)
class Stack:
    """A stack that belongs to one suite. `page` is its configuration, as a mapping of `hardway:...` keys to values.

    The page lies in the clone's folder from the first `up` until `forget`, since that is where pages are looked for.
    """

    name: str
    page: Mapping[str, Any]
    say: Say
    limit: float = 600
    """Seconds that bringing it up or down may take."""
    clone: Clone = field(default_factory=this_clone)

    @property
    def folder(self) -> Path:
        """Logs and other files of this stack's suite."""
        return self.clone.cache / "e2e" / self.name

    @property
    def temporary(self) -> Path:
        """TMPDIR of everything that runs for this stack; it has to be empty at the end."""
        return self.folder / "tmp"

    @property
    def kubeconfig(self) -> Path:
        """Where `up` writes the administrator's kubeconfig."""
        return self.clone.kubeconfig(self.name)

    @property
    def lab(self) -> Lab:
        """Where its machines are. Raises FileNotFoundError when there are none."""
        return Lab(**json.loads((self.clone.state / self.name / "lab.json").read_text()))

    def environment(self) -> dict[str, str]:
        """What programs that run for this stack find around them: nothing that `make e2e` handed on."""
        outside = {name: value for name, value in os.environ.items() if name not in _FROM_MAKE}
        return environment(self.clone, self.name, outside) | {"TMPDIR": str(self.temporary)}

    def up(self, arguments: str = "", extra: Mapping[str, str] | None = None) -> Run:
        """`make up`, with more arguments for Pulumi and more variables if need be."""
        return self.make("up", arguments, extra)

    def replace(self, node: str) -> Run:
        """`make replace`."""
        return self.make("replace", "", {"NODE": node})

    def down(self) -> Run:
        """`make down`. Its page has to be there, as that of any stack."""
        return self.make("down")

    def starting(self, target: str) -> tuple[list[str], dict[str, str]]:
        """The command line and the environment of `make TARGET`, for who wants to start it himself."""
        self._write_page()
        self.temporary.mkdir(parents=True, exist_ok=True)
        command = ["make", "--no-print-directory", target, f"STACK={self.name}", f"PYTHON={sys.executable}"]
        return command, self.environment()

    def forget(self) -> None:
        """Remove the page; of a stack that is down nothing is left then but its logs."""
        self.clone.page(self.name).unlink(missing_ok=True)
        remove_tree(self.folder / "kube-cache")

    def output(self, name: str) -> Any:
        """The value of a stack output, secrets included."""
        command = [sys.executable, "-m", "tools", "outputs", "--stack", self.name, name, "--json", "--show-secrets"]
        answer = ask(command, env=self.environment() | {"PYTHONPATH": str(self.clone.root)}, timeout=60)
        return json.loads(answer.ok())

    def make(self, target: str, arguments: str = "", extra: Mapping[str, str] | None = None) -> Run:
        """Any target of the Makefile that takes STACK."""
        command, environment = self.starting(target)
        return run_long(
            [*command, f"ARGS={arguments}"] if arguments else command,
            cwd=self.clone.root,
            env=environment | dict(extra or {}),
            log=self.folder / f"{target}.log",
            say=self.say,
            limit=self.limit,
        )

    def _write_page(self) -> None:
        text = "# Made by a test and removed at its end.\n" + yaml.safe_dump(
            {"config": dict(self.page)}, sort_keys=False
        )
        path = self.clone.page(self.name)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def laptop_page(cluster: str) -> dict[str, Any]:
    """The page of the laptop cluster, `Pulumi.dev.yaml`, with another name for the cluster."""
    page: dict[str, Any] = yaml.safe_load(this_clone().page("dev").read_text())["config"]
    return page | {"hardway:cluster": page["hardway:cluster"] | {"name": cluster}}
