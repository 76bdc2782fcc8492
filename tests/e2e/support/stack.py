"""The stack of a suite: its page, `up`, `down` and outputs, with the commands that a user types."""

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
from tools.common.paths import Clone, this_clone
from tools.common.store import remove_tree
from tools.operate import locks
from tools.operate.envsh import environment

_FROM_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "ARGS", "STACK", "SUITE")


@dataclass(frozen=True)
class LocalNetwork:
    """The local network of a stack on this host, from `.state/<stack>/lab.json`."""

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

    The page is in the folder of the clone from the first `up` until `forget`, because Pulumi's pages are there.
    """

    name: str
    page: Mapping[str, Any]
    say: Say
    limit: float = 600
    """Seconds that `up` or `down` may take."""
    clone: Clone = field(default_factory=this_clone)

    @property
    def folder(self) -> Path:
        """Logs and other files of this stack's suite."""
        return self.clone.cache / "e2e" / self.name

    @property
    def temporary(self) -> Path:
        """TMPDIR of all programs that run for this stack. It has to be empty at the end."""
        return self.folder / "tmp"

    @property
    def kubeconfig(self) -> Path:
        """The path to which `up` writes the kubeconfig of the admin."""
        return self.clone.kubeconfig(self.name)

    @property
    def lab(self) -> LocalNetwork:
        """The local network of the stack. Raises FileNotFoundError if there is none."""
        return LocalNetwork(**json.loads((self.clone.state / self.name / "lab.json").read_text()))

    def environment(self) -> dict[str, str]:
        """The environment of programs that run for this stack, without variables that `make e2e` exports."""
        outside = {name: value for name, value in os.environ.items() if name not in _FROM_MAKE}
        # A judged run costs a preview more, and tests do on purpose what policies refuse. test_1_up.py of the suite
        # `local` sets the variable.
        outside |= {"POLICIES": ""}
        return environment(self.clone, self.name, outside) | {"TMPDIR": str(self.temporary)}

    def up(self, arguments: str = "", extra: Mapping[str, str] | None = None) -> Run:
        """Run `make up`, with further arguments for Pulumi and further variables."""
        return self.make("up", arguments, extra)

    def replace(self, node: str) -> Run:
        """Run `make replace`."""
        return self.make("replace", "", {"NODE": node})

    def down(self) -> Run:
        """Run `make down`. This writes the page first, because every stack needs its page."""
        return self.make("down")

    def clear_away(self) -> Run:
        """Run `make down`, also if a test that failed has left protected resources, which `make down` refuses."""
        run = self.down()
        if run.code != 0 and "has protected resources" in run.output:
            command = ["pulumi", "state", "unprotect", "--all", "--yes", "--stack", self.name]
            ask(command, cwd=self.clone.root, env=self.environment(), timeout=120).ok()
            run = self.down()
        return run

    def starting(self, target: str) -> tuple[list[str], dict[str, str]]:
        """The command line and the environment of `make TARGET`, for callers that start it themselves."""
        self._write_page()
        self.temporary.mkdir(parents=True, exist_ok=True)
        command = ["make", "--no-print-directory", target, f"STACK={self.name}", f"PYTHON={sys.executable}"]
        return command, self.environment()

    def forget_earlier(self) -> None:
        """Drop the state that an earlier run has left, if its machines are gone: nothing is removed from them."""
        self.temporary.mkdir(parents=True, exist_ok=True)
        # A run that was killed has left its lock.
        locks.release_dead(self.clone.state)
        command = ["pulumi", "stack", "rm", "--yes", "--force", "--preserve-config", "--non-interactive"]
        ask([*command, "--stack", self.name], cwd=self.clone.root, env=self.environment())
        remove_tree(self.clone.state / self.name)

    def forget(self) -> None:
        """Remove the page. After `down`, only logs of the stack are left then."""
        self.clone.page(self.name).unlink(missing_ok=True)
        remove_tree(self.folder / "kube-cache")

    def output(self, name: str) -> Any:
        """The value of a stack output, secrets included."""
        command = [sys.executable, "-m", "tools", "outputs", "--stack", self.name, name, "--json", "--show-secrets"]
        answer = ask(command, env=self.environment() | {"PYTHONPATH": str(self.clone.root)}, timeout=60)
        return json.loads(answer.ok())

    def exported(self, *, secrets: bool = False) -> dict[str, Any]:
        """The state, as `pulumi stack export` prints it. With `secrets`, secrets are in plain text, as JSON."""
        command = ["pulumi", "stack", "export", "--stack", self.name, "--non-interactive"]
        more = ["--show-secrets"] if secrets else []
        state: dict[str, Any] = json.loads(ask([*command, *more], cwd=self.clone.root, env=self.environment()).ok())
        return state

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
    """The page `Pulumi.dev.yaml` with another name of the cluster, and with programs that are built here."""
    page: dict[str, Any] = yaml.safe_load(this_clone().page("dev").read_text())["config"]
    own = {"hardway:cluster": page["hardway:cluster"] | {"name": cluster}, "hardway:artifacts": {"source": "mirror"}}
    return page | own
