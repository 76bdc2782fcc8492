"""A cluster of a suite: stack, machines and admin; and a block in which the cluster is up."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from tests.e2e.support import diagnostics
from tests.e2e.support.inventory import Inventory, take
from tests.e2e.support.kubectl import Kubectl, admin_of
from tests.e2e.support.machines import Host, Machine, machines_of
from tests.e2e.support.pods import agnhost
from tests.e2e.support.process import Run
from tests.e2e.support.stack import Stack

KEEP = "HARDWAY_E2E_KEEP"
"""If this variable is 1, then a suite uses an existing stack as it is, and leaves the stack up."""


def keeping() -> bool:
    """Whether the user wants the stack to stay."""
    return os.environ.get(KEEP) == "1"


@dataclass
class Cluster:
    """A stack that is up.

    `first_up` is the run that made it, and `before` the inventory of the host before that run. Both are None if the
    stack was up already.
    """

    stack: Stack
    first_up: Run | None
    before: Inventory | None
    is_down: bool = False
    hosts: Mapping[str, Host] | None = None
    """The machines by node name, if they are not the containers of the stack's local network."""

    @cached_property
    def machines(self) -> dict[str, Machine]:
        """The machines by node name."""
        return machines_of(self.stack)

    @cached_property
    def kubectl(self) -> Kubectl:
        """The kubectl of the admin."""
        return admin_of(self.stack)

    @cached_property
    def image(self) -> str:
        """The image of test pods."""
        return agnhost(self.stack.clone)

    @property
    def api_port(self) -> int:
        """The port of every API server on its machine."""
        return int(self.stack.page.get("hardway:api", {}).get("port", 6443))

    def readiness(self) -> dict[str, str]:
        """The status of the condition `Ready` of each node, by name."""
        return {name: condition["status"] for name, condition in self._ready_conditions().items()}

    def ready_since(self) -> dict[str, str]:
        """When the condition `Ready` of each node changed last, by name."""
        return {name: condition["lastTransitionTime"] for name, condition in self._ready_conditions().items()}

    def _ready_conditions(self) -> dict[str, dict[str, str]]:
        return {
            node["metadata"]["name"]: condition
            for node in self.kubectl.items("nodes")
            for condition in node["status"]["conditions"]
            if condition["type"] == "Ready"
        }

    def having(self, role: str) -> list[Machine]:
        """The machines with a role, in the order of the page."""
        nodes = self.stack.page["hardway:nodes"]
        return [self.machines[node["name"]] for node in nodes if role in node["roles"]]

    def change(self, changes: Mapping[str, Any]) -> None:
        """Change the page: `changes` are values of top-level keys such as `hardway:versions`. None removes the key."""
        page = {key: value for key, value in {**self.stack.page, **changes}.items() if value is not None}
        self.stack = replace(self.stack, page=page)
        self.__dict__.pop("machines", None)

    def up(self, expected: int = 0) -> Run:
        """Run `make up`, which has to end with this exit code."""
        run = self.stack.up()
        self.__dict__.pop("machines", None)
        assert run.code == expected, f"make up ended with {run.code}, not {expected}:\n{run.tail(60)}"
        return run

    def destroy(self) -> Run:
        """Run `make down`, and remove the page."""
        run = self.stack.clear_away()
        assert run.code == 0, f"make down ended with exit code {run.code}:\n{run.tail()}"
        self.stack.forget()
        self.is_down = True
        return run


@contextlib.contextmanager
def running(stack: Stack) -> Iterator[Cluster]:
    """The cluster of a stack, new or kept. Leftovers of an earlier run are removed first, and everything at the end."""
    cluster = _found_up(stack) if keeping() else None
    if cluster is None:
        stack.say(f"removing what an earlier run of {stack.name} may have left")
        left_over = stack.clear_away()
        assert left_over.code == 0, f"leftovers of {stack.name} stay:\n{left_over.tail()}"
        stack.forget()
        before = take(stack.clone)
        cluster = Cluster(stack, None, before)
    try:
        if cluster.before:
            cluster.first_up = _bring_up(stack)
        yield cluster
    finally:
        if keeping():
            stack.say(f"{stack.name} stays up ({KEEP}=1); remove it with `make down STACK={stack.name}`")
        elif not cluster.is_down:
            stack.say(f"make down STACK={stack.name}")
            cluster.destroy()


def _bring_up(stack: Stack) -> Run:
    stack.say(f"make up STACK={stack.name}")
    run = stack.up()
    if run.code != 0:
        folder = diagnostics.collect(stack, "up")
        raise AssertionError(
            f"make up ended with {run.code}; {folder}\n{run.tail(60)}\n{diagnostics.last_lines(folder)}"
        )
    stack.say(f"up after {run.seconds:.1f} s")
    return run


def _found_up(stack: Stack) -> Cluster | None:
    if not stack.kubeconfig.exists():
        return None
    nodes = admin_of(stack)("--request-timeout=5s", "get", "nodes")
    if nodes.code != 0:
        return None
    stack.say(f"{stack.name} is up already ({KEEP}=1)")
    return Cluster(stack, None, None)
