"""The cluster of this suite. Two machines are enough for everything that an interrupted run can leave behind.

These are machines and keys, releases that are staged at the same time, activations one after the other (the control
plane, then the worker), and objects of the cluster. Other suites test more members of etcd.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.support.cluster import Cluster, keeping
from tests.e2e.support.inventory import Inventory, take
from tests.e2e.support.killing import SEED, end_orphans, seeded
from tests.e2e.support.laptop import BEFORE
from tests.e2e.support.progress import Say
from tests.e2e.support.stack import Stack, laptop_page

NAME = "e2e-resume"
NODES = [
    {"name": "cp-1", "roles": ["etcd", "control-plane"]},
    {"name": "worker-1", "roles": ["worker"]},
]


@pytest.fixture(scope="session")
def chance(say: Say) -> random.Random:
    """The random numbers for the moments of the kills."""
    seed, numbers = seeded()
    say(f"the moments of this run: {SEED}={seed}")
    return numbers


@dataclass(frozen=True)
class Begin:
    """The stack before its first `up`, and the inventory of the host at that time."""

    stack: Stack
    before: Inventory


@pytest.fixture(scope="session")
def begin(say: Say) -> Iterator[Begin]:
    """The stack, after leftovers of an earlier run are removed. It is removed at the end."""
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
    """The cluster, which the first test makes."""
    return Cluster(begin.stack, None, begin.before)


def _down(stack: Stack) -> None:
    run = stack.down()
    assert run.code == 0, f"leftovers of {stack.name} stay:\n{run.tail()}"
    stack.forget()
