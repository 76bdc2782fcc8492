"""The cluster of this suite: it starts with one control-plane node, and the tests change its nodes."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.changes.conftest import probes, web
from tests.e2e.support.cluster import Cluster, running
from tests.e2e.support.progress import Say
from tests.e2e.support.stack import Stack, laptop_page

NAME = "e2e-members"
MASTER, MEMBER, WORKER = ["etcd", "control-plane"], ["etcd"], ["worker"]

__all__ = ["cluster", "probes", "web"]


def nodes(**roles: list[str]) -> dict[str, Any]:
    """The part of a page that lists nodes: roles by name, with _ for -."""
    return {"hardway:nodes": [{"name": name.replace("_", "-"), "roles": own} for name, own in roles.items()]}


@pytest.fixture(scope="session")
def cluster(say: Say) -> Iterator[Cluster]:
    """One control-plane node and two workers."""
    page = laptop_page(NAME) | nodes(cp_1=MASTER, worker_1=WORKER, worker_2=WORKER)
    with running(Stack(NAME, page, say)) as found:
        yield found
