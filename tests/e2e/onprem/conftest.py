"""The hosts of this suite, and the two stacks that use them one after the other."""

import dataclasses
from collections.abc import Iterator

import pytest

from tests.e2e.local.conftest import namespace, web
from tests.e2e.onprem import footprint, pages
from tests.e2e.onprem.footprint import Footprint
from tests.e2e.onprem.site import Site, site
from tests.e2e.support import diagnostics
from tests.e2e.support.cluster import Cluster
from tests.e2e.support.progress import Say
from tests.e2e.support.stack import Stack
from tools.common.paths import this_clone

NAME = "e2e-onprem"

__all__ = ["cluster", "masters", "namespace", "place", "stack", "untouched", "web"]


@pytest.fixture(scope="session")
def place(say: Say) -> Iterator[Site]:
    """Three plain hosts behind a bastion."""
    left_over = Stack(NAME, {}, say)
    # The hosts of an earlier run are removed as a whole, so nothing has to be removed from them.
    left_over.forget_earlier()
    with site(this_clone(), NAME, pages.NODES, say) as found:
        yield found
    left_over.forget()


@pytest.fixture(scope="session")
def untouched(place: Site) -> dict[str, Footprint]:
    """The footprint of the hosts before the first `up`."""
    return {name: footprint.take(host) for name, host in place.hosts.items()}


@pytest.fixture(scope="session")
def stack(place: Site, say: Say) -> Stack:
    """A stack with the layout of `Pulumi.onprem.yaml`, which is not up yet."""
    return Stack(NAME, pages.study(place), say)


@pytest.fixture(scope="session")
def cluster(place: Site, stack: Stack, untouched: dict[str, Footprint]) -> Iterator[Cluster]:
    """The cluster of this stack, up."""
    assert untouched
    yield from _up(place, stack)


@pytest.fixture(scope="session")
def masters(place: Site, stack: Stack) -> Iterator[Cluster]:
    """Three masters behind a virtual address, up. The hosts have no data of an earlier cluster."""
    place.forward_api(f"{place.virtual_address}:8443")
    yield from _up(place, dataclasses.replace(stack, page=pages.three_masters(place)))


def _up(place: Site, stack: Stack) -> Iterator[Cluster]:
    stack.say(f"make up STACK={stack.name}")
    run = stack.up()
    if run.code != 0:
        folder = diagnostics.collect(stack, "up")
        said = diagnostics.last_lines(folder)
        raise AssertionError(f"make up ended with {run.code}; {folder}\n{run.tail(60)}\n{said}")
    stack.say(f"up after {run.seconds:.1f} s")
    cluster = Cluster(stack, run, None)
    # Without the bastion and the mirror.
    cluster.machines = place.hosts
    yield cluster
    if not cluster.is_down:
        cluster.destroy()
