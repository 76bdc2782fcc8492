"""The cluster of this suite. It is small: two machines have everything that an interrupted run can leave behind.

Machines and keys that are made, releases that are staged side by side, activations that follow each other (the control
plane, then the worker), objects of the cluster. What more members of etcd would add is the matter of other suites.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.changes.conftest import BEFORE
from tests.e2e.support.cluster import Cluster, keeping
from tests.e2e.support.inventory import Inventory, take
from tests.e2e.support.killing import SEED, end_orphans, seeded
from tests.e2e.support.progress import Say
from tests.e2e.support.stack import Stack, laptop_page

NAME = "e2e-resume"
NODES = [
    {"name": "cp-1", "roles": ["etcd", "control-plane"]},
    {"name": "worker-1", "roles": ["worker"]},
]


@pytest.fixture(scope="session")
def chance(say: Say) -> random.Random:
    """Where moments come from."""
    seed, numbers = seeded()
    say(f"the moments of this run: {SEED}={seed}")
    return numbers


@dataclass(frozen=True)
class Begin:
    """The stack before anything is made, and the host at that time."""

    stack: Stack
    before: Inventory


@pytest.fixture(scope="session")
def begin(say: Say) -> Iterator[Begin]:
    """The stack, without what an earlier run may have left; in the end all goes."""
    page = laptop_page(NAME) | {"hardway:nodes": NODES, "hardway:versions": {"kubernetes": BEFORE}}
    stack = Stack(NAME, page, say)
    _down(stack)
    stack.folder.mkdir(parents=True, exist_ok=True)
    (stack.folder / "killed.log").unlink(missing_ok=True)
    yield Begin(stack, take(stack.clone))
    if keeping():
        say(f"{NAME} stays up; remove it with `make down STACK={NAME}`")
    else:
        _down(stack)
    say(f"  {end_orphans(stack.clone.pulumi_home)} plugins had outlived their engine")


@pytest.fixture(scope="session")
def cluster(begin: Begin) -> Cluster:
    """The cluster, which the first test brings up."""
    return Cluster(begin.stack, None, begin.before)


def _down(stack: Stack) -> None:
    run = stack.down()
    assert run.code == 0, f"leftovers of {stack.name} stay:\n{run.tail()}"
    stack.forget()
