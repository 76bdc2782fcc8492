"""The virtual machine of this suite, and the stack that uses it."""

from collections.abc import Iterator, Mapping

import pytest

from tests.e2e.local.conftest import namespace
from tests.e2e.onprem import footprint
from tests.e2e.onprem.footprint import Footprint
from tests.e2e.support import diagnostics, pods
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.machines import Host
from tests.e2e.support.progress import Say
from tests.e2e.support.stack import Stack
from tests.e2e.vm import place as places
from tests.e2e.vm.machine import VirtualMachine
from tests.e2e.vm.place import NODE, NODE_PORT, Place
from tools.common.paths import this_clone

NAME = "e2e-vm"
UP_SECONDS = 3600
"""A first `up` takes about a quarter of an hour; beside much other work it takes a multiple of that."""

__all__ = ["cluster", "machine", "namespace", "place", "stack", "untouched"]


@pytest.fixture(scope="session")
def place(say: Say) -> Iterator[Place]:
    """The machine beside its mirror."""
    left_over = Stack(NAME, {}, say)
    # The machine of an earlier run is gone, so nothing has to be removed from it.
    left_over.forget_earlier()
    with places.place(this_clone(), NAME, say) as found:
        yield found
    left_over.forget()


@pytest.fixture(scope="session")
def machine(place: Place) -> VirtualMachine:
    """The machine."""
    return place.machine


@pytest.fixture(scope="session")
def untouched(machine: VirtualMachine) -> Footprint:
    """The footprint of the machine before the first `up`."""
    return footprint.take(machine)


@pytest.fixture(scope="session")
def stack(place: Place, say: Say) -> Stack:
    """A stack of one node with all roles, in ipvs mode, which is not up yet."""
    return Stack(NAME, places.page(place, "ipvs"), say, limit=UP_SECONDS)


@pytest.fixture(scope="session")
def cluster(stack: Stack, machine: VirtualMachine, untouched: Footprint) -> Cluster:
    """The cluster of this stack, up."""
    assert untouched.things
    hosts: Mapping[str, Host] = {NODE: machine}
    stack.say(f"make up STACK={stack.name}")
    run = stack.up()
    if run.code != 0:
        folder = diagnostics.collect(stack, "up", hosts)
        said = diagnostics.last_lines(folder)
        raise AssertionError(f"make up ended with {run.code}; {folder}\n{run.tail(60)}\n{said}")
    stack.say(f"up after {run.seconds:.1f} s")
    # The machine goes with the fixture `place`, so nothing has to be removed from it if a test fails.
    return Cluster(stack, run, None, hosts=hosts)


@pytest.fixture(scope="session")
def web(cluster: Cluster, namespace: str) -> str:
    """Three web servers, and a service with the same name: port 8080 and a node port. Returns the name."""
    cluster.kubectl.create(pods.web(namespace, namespace, cluster.image, 3)).ok()
    cluster.kubectl.create(pods.service(namespace, namespace, pods.PORT, node_port=NODE_PORT)).ok()
    # The machine has to unpack the image first.
    cluster.kubectl.rolled_out(namespace, namespace, seconds=1200)
    return namespace
